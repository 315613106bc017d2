/** An error answer. Throw it in a handler of a router: the router answers with problem+json (RFC 9457). */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly status: number;

  /**
   * @param status 400–599
   * @param detail a sentence that the caller may read
   */
  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}
