/** Admits at most `limit` events in each period, which begins with its first event. */
export class Rate {
  readonly #limit: number;
  readonly #periodMs: number;
  #began = -Infinity;
  #count = 0;

  constructor(limit: number, periodMs: number) {
    this.#limit = limit;
    this.#periodMs = periodMs;
  }

  admits(): boolean {
    const now = performance.now();
    if (now - this.#began >= this.#periodMs) {
      this.#began = now;
      this.#count = 0;
    }
    return ++this.#count <= this.#limit;
  }
}
