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
        columnKind: 'unicodeCodePoints',
        results: findings.map(({ ruleId, level, message, file, line, column }) => ({
          ruleId,
          ruleIndex: rules.indexOf(ruleId),
          level,
          message: { text: message },
          locations: [
            {
              physicalLocation: {
                artifactLocation: { uri: encodeURI(file) },
                region: { startLine: line, startColumn: column },
              },
            },
          ],
        })),
      },
    ],
  };
}
