/** Tell whether a value is a promise or another thenable. */
export function isPromise(value: unknown): value is Promise<unknown> {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}

/** Tell whether a function is declared `async`, so that it always returns a promise. */
export function isAsync(value: unknown): boolean {
  return typeof value === "function" && Object.getPrototypeOf(value) === ASYNC_FUNCTION;
}

const ASYNC_FUNCTION: unknown = Object.getPrototypeOf(async () => undefined);

/** Say that a handler cannot be awaited, and what to do. */
export function cannotWait(what: string): TypeError {
  return new TypeError(
    `${what}, but the engine "quickjs" cannot wait for promises. Remove "async" and "await": every call of the host ` +
      'returns its result directly. Or set engine = "starlingmonkey" under [server] in build.toml.',
  );
}
