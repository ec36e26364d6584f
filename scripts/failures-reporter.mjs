// A reporter for `node --test`: says once more at the end which tests failed, where a log that is cut still shows it.

import { stripVTControlCharacters } from 'node:util';

/** @param {AsyncIterable<{ type: string, data: any }>} events as in https://nodejs.org/api/test.html#custom-reporters */
export default async function* failures(events) {
  const failed = [];
  for await (const { type, data } of events) {
    if (type === 'test:fail' && data.details?.error?.failureType !== 'subtestsFailed') failed.push(data);
  }
  for (const { name, file, line, details } of failed) {
    const error = details.error?.cause ?? details.error;
    const text = stripVTControlCharacters(String(error?.message ?? error))
      .split('\n')
      .slice(0, 30)
      .join('\n    ');
    yield `FAILED: ${name} (${file}${line ? `:${line}` : ''}, ${Math.round(details.duration_ms)} ms)\n    ${text}\n`;
  }
}
