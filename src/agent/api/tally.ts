/** How much somebody has of something; who has none of it takes no room. */
export class Tally {
  readonly #sums = new Map<string, number>();

  of(user: string): number {
    return this.#sums.get(user) ?? 0;
  }

  add(user: string, amount: number): void {
    const sum = this.of(user) + amount;
    if (sum > 0) this.#sums.set(user, sum);
    else this.#sums.delete(user);
  }
}
