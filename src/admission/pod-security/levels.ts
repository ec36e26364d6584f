import { type FieldError, invalid } from '../../kube/field-error.ts';

/** The policies of the Pod Security Standards, the laxest first (k8s.io/pod-security-admission/api). */
export const LEVELS = ['privileged', 'baseline', 'restricted'] as const;
export type Level = (typeof LEVELS)[number];

/** Whose text of a policy counts: that of Kubernetes v1.N, or the newest. */
export type Version = 'latest' | number;

export interface LevelVersion {
  readonly level: Level;
  readonly version: Version;
}

/** What becomes of a violation: the pod is denied, noted in the audit log, or its author is warned. */
export const MODES = ['enforce', 'audit', 'warn'] as const;
export type Mode = (typeof MODES)[number];

/** The policies of a namespace. */
export type NamespacePodSecurity = Readonly<Record<Mode, LevelVersion>>;

const PRIVILEGED: LevelVersion = { level: 'privileged', version: 'latest' };
/** Where nothing is said. */
export const DEFAULT_POD_SECURITY: NamespacePodSecurity = {
  enforce: PRIVILEGED,
  audit: PRIVILEGED,
  warn: PRIVILEGED,
};

/** What a level that does not exist counts for: enforcing fails closed, the others fail open. */
const LEVEL_OF_MISTAKE: Readonly<Record<Mode, Level>> = {
  enforce: 'restricted',
  audit: 'privileged',
  warn: 'privileged',
};

export function parseLevel(text: string): Level | undefined {
  return LEVELS.find(level => level === text);
}

/** `latest` or `v1.N`. */
export function parseVersion(text: string): Version | undefined {
  if (text === 'latest') return text;
  const minor = Number(/^v1\.(0|[1-9][0-9]*)$/.exec(text)?.[1]);
  return Number.isSafeInteger(minor) ? minor : undefined;
}

/** `restricted:latest`, `baseline:v1.22`. */
export function formatLevelVersion({ level, version }: LevelVersion): string {
  return `${level}:${version === 'latest' ? version : `v1.${version}`}`;
}

type Labels = Readonly<Record<string, string>>;

const levelLabel = (mode: Mode): string => `pod-security.kubernetes.io/${mode}`;
const versionLabel = (mode: Mode): string => `${levelLabel(mode)}-version`;

/**
 * The policies that a namespace's labels come to; always some, whatever they say (api.PolicyToEvaluate). `defaults` are
 * the cluster's, for what no label says.
 */
export function namespacePodSecurity(
  labels: Labels = {},
  defaults: NamespacePodSecurity = DEFAULT_POD_SECURITY,
): NamespacePodSecurity {
  const read = (mode: Mode): LevelVersion => {
    const level = labels[levelLabel(mode)];
    const version = labels[versionLabel(mode)];
    return {
      level: level === undefined ? defaults[mode].level : (parseLevel(level) ?? LEVEL_OF_MISTAKE[mode]),
      version: version === undefined ? defaults[mode].version : (parseVersion(version) ?? 'latest'),
    };
  };
  const enforce = read('enforce');
  return { enforce, audit: read('audit'), warn: inheritEnforce(read('warn'), enforce, labels) };
}

/** Who is denied something is told so for workloads too, which only warn: without a label, warn follows enforce. */
function inheritEnforce(warn: LevelVersion, enforce: LevelVersion, labels: Labels): LevelVersion {
  const isFollowing =
    labels[levelLabel('warn')] === undefined &&
    // Not a level that only stands for a mistake.
    parseLevel(labels[levelLabel('enforce')] ?? '') !== undefined &&
    LEVELS.indexOf(enforce.level) > LEVELS.indexOf(warn.level);
  if (!isFollowing) return warn;
  return labels[versionLabel('warn')] === undefined ? enforce : { ...warn, level: enforce.level };
}

/**
 * What is wrong with the Pod Security labels of a Namespace that is written. On an update the API server minds only
 * errors that the old labels did not have.
 */
export function validateNamespaceLabels(
  labels: Labels = {},
  path = 'metadata.labels',
): readonly FieldError[] {
  const check = (label: string, parse: (text: string) => unknown, detail: string): readonly FieldError[] => {
    const value = labels[label];
    if (value === undefined || parse(value) !== undefined) return [];
    return [invalid(`${path}[${label}]`, value, detail)];
  };
  return MODES.flatMap(mode => [
    ...check(levelLabel(mode), parseLevel, `must be one of ${LEVELS.join(', ')}`),
    ...check(versionLabel(mode), parseVersion, 'must be "latest" or "v1.x"'),
  ]);
}
