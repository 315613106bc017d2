import * as host from "alga:extension/secrets";

import { wellFormed } from "../well-formed.js";
import { asking } from "./host-error.js";

/**
 * Return a secret of the install. A secret that is bound to hosts cannot be read: write `{{secret:NAME}}`,
 * `Bearer {{secret:NAME}}` or `Basic {{secret:NAME|base64}}` as the value of its header in `http.fetch` instead. The
 * manifest names that header (`header`, by default `authorization`).
 *
 * @throws HostError missing, denied, expired, internal
 */
export function get(name: string): string {
  return asking("secrets.get", () => host.get(wellFormed(name)));
}

/** Return the names of the secrets that are set. */
export function keys(): string[] {
  return host.listKeys();
}
