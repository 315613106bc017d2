import * as host from "alga:extension/config";

import { wellFormed } from "../well-formed.js";

/** Return a value of the install's configuration; a value that is not a string is returned as JSON text. */
export function get(key: string): string | undefined {
  return host.get(wellFormed(key)) ?? undefined;
}

/** Return the keys that are set. */
export function keys(): string[] {
  return host.listKeys();
}
