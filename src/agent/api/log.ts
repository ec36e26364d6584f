/** Structured lines, as pino writes them. */
export interface Log {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
  debug(fields: object, message: string): void;
}

const nothing = (): void => {};

/** Says nothing. */
export const SILENT: Log = { info: nothing, warn: nothing, error: nothing, debug: nothing };
