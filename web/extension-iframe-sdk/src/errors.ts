/** The host page could not be reached, or did not make a call. */
export class HostLinkError extends Error {
  override readonly name = "HostLinkError";
  /** `not_framed`, `timeout`, or the code from the host. */
  readonly code: string;

  constructor(code: string, detail: string) {
    super(detail);
    this.code = code;
  }
}
