/** Admits at most `limit` events in each period, which begins with its first event. */
export class Rate {
  readonly #limit: number;
  readonly #periodMs: number;
  readonly #nowMs: () => number;
  #began = -Infinity;
  #count = 0;

  constructor(limit: number, periodMs: number, nowMs = () => performance.now()) {
    this.#limit = limit;
    this.#periodMs = periodMs;
    this.#nowMs = nowMs;
  }

  admits(): boolean {
    const now = this.#nowMs();
    if (now - this.#began >= this.#periodMs) {
      this.#began = now;
      this.#count = 0;
    }
    return ++this.#count <= this.#limit;
  }
}
