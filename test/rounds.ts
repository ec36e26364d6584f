/**
 * How often something is tried that would go wrong only now and then, with other timing or other values each time: a few times
 * in each run of all tests, PODSPACE_TEST_ROUNDS=20 times as often for whoever looks for it.
 */
export const rounds = (count: number): number =>
  Math.max(1, Math.ceil(count * Number(process.env.PODSPACE_TEST_ROUNDS ?? 1)));
