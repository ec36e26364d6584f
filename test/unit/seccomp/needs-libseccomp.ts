import { libseccompVersion } from '../../../src/native/libseccomp.ts';

/** For a test's options: a reason to skip it, or false. */
export const needsLibseccomp: string | false = (() => {
  try {
    libseccompVersion();
    return false;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
})();
