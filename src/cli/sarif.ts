/** One thing that is wrong, or worth a look, at a place of a file. */
export interface Finding {
  /** Which rule says so: `PodSecurityPolicy/hostNetwork`. */
  readonly ruleId: string;
  readonly level: 'error' | 'warning' | 'note';
  readonly message: string;
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly column: number;
}

/** Findings as code hosts read them: SARIF 2.1.0 (OASIS). */
export function sarif(findings: readonly Finding[], version: string): object {
  const rules = [...new Set(findings.map(({ ruleId }) => ruleId))].sort();
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver: { name: 'podspace', version, rules: rules.map(id => ({ id })) } },
        columnKind: 'utf16CodeUnits',
        results: findings.map(({ ruleId, level, message, file, line, column }) => ({
          ruleId,
          ruleIndex: rules.indexOf(ruleId),
          level,
          message: { text: message },
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: uriOf(file) },
                region: { startLine: line, startColumn: column },
              },
            },
          ],
        })),
      },
    ],
  };
}

/** A relative path stays relative, to wherever the code host has its checkout; what looks like a part of a URI does not. */
function uriOf(file: string): string {
  const path = file.split('/').map(encodeURIComponent).join('/');
  return file.startsWith('/') ? `file://${path}` : path;
}
