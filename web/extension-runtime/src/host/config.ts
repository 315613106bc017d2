import * as host from "alga:extension/config";

/** A value of the install's configuration; values that are no strings come as JSON text. */
export function get(key: string): string | undefined {
  return host.get(key) ?? undefined;
}

/** The keys that are set. */
export function keys(): string[] {
  return host.listKeys();
}
