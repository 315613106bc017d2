import * as host from "alga:extension/secrets";

import { asking } from "./host-error.js";

/**
 * A secret of the install. A secret that is bound to hosts is never readable: write `{{secret:NAME}}` into a header
 * of `http.fetch` instead.
 *
 * @throws HostError missing, denied, expired, internal
 */
export function get(name: string): string {
  return asking("secrets.get", () => host.get(name));
}

/** Names of the secrets that are set. */
export function keys(): string[] {
  return host.listKeys();
}
