/** Work under way by name. A caller that wants the same result waits for it instead of starting it again. */
export class Flights<Result> {
  readonly #underWay = new Map<string, Promise<Result>>();

  get(name: string): Promise<Result> | undefined {
    return this.#underWay.get(name);
  }

  /** Others can join until it settles. */
  add(name: string, work: Promise<Result>): Promise<Result> {
    this.#underWay.set(name, work);
    const leave = (): void => {
      if (this.#underWay.get(name) === work) this.#underWay.delete(name);
    };
    work.then(leave, leave);
    return work;
  }

  /** Nobody joins what is under way any more; it goes on for those who did. */
  forget(name: string): void {
    this.#underWay.delete(name);
  }
}
