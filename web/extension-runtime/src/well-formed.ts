/** Both engines have this method of ES2024. */
type Es2024String = string & { toWellFormed(): string };

/**
 * Return a value with every lone surrogate in its strings replaced by U+FFFD.
 *
 * Strings of the guest contract are Unicode. A JavaScript string may hold half a surrogate pair, for example after
 * `JSON.parse` or `slice`, and QuickJS ends the call when such a string is given to the host. Arrays and plain objects are
 * copied, also their members; bytes and everything else stay as they are.
 */
export function wellFormed<T>(value: T): T {
  if (typeof value === "string") return (value as unknown as Es2024String).toWellFormed() as T;
  if (Array.isArray(value)) return value.map(wellFormed) as T;
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  const copy = { ...value };
  for (const name in copy) copy[name] = wellFormed(copy[name]);
  return copy;
}
