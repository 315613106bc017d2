/** An error of the host: the function that was called, and the case of its error type. */
export class HostError extends Error {
  override readonly name = "HostError";
  readonly call: string;
  /** For example `denied`, `missing` or `not-allowed`; the guest contract lists the cases of each interface. */
  readonly code: string;

  constructor(call: string, code: string) {
    super(`${call} answered ${code}`);
    this.call = call;
    this.code = code;
  }
}

/** Run a call of the host. The error of its result is thrown as HostError; any other exception is passed on. */
export function asking<T>(call: string, run: () => T): T {
  try {
    return run();
  } catch (error) {
    // Not instanceof Error: StarlingMonkey throws host errors from another realm.
    const carriesPayload = typeof error === "object" && error !== null && "payload" in error;
    if (carriesPayload && typeof error.payload === "string") throw new HostError(call, error.payload);
    throw error;
  }
}

/** Like `asking`, but return `undefined` for the error case `expected`. */
export function askingUnless<T>(call: string, expected: string, run: () => T): T | undefined {
  try {
    return asking(call, run);
  } catch (error) {
    if (error instanceof HostError && error.code === expected) return undefined;
    throw error;
  }
}
