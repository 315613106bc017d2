/** An answer that says what is wrong. Throw it anywhere below a router; it becomes problem+json (RFC 9457). */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly status: number;

  /**
   * @param status 400–599
   * @param detail a sentence the caller may read
   */
  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}
