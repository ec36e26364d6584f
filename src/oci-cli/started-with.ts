/** What the wrapper saw before Node changed it; taken out of the environment, which hooks may inherit. */
const take = (name: string): number | undefined => {
  const text = process.env[name];
  delete process.env[name];
  return text !== undefined && /^\d{1,9}$/.test(text) ? Number(text) : undefined;
};

/** The soft limit of open files, which Node raises. */
export const startedFiles = take('PODSPACE_NOFILE');
/** The first fd from 3 on that was not open: those behind it are Node's own. */
export const startedFds = take('PODSPACE_FDS') ?? 3;
