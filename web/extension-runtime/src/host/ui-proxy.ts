import * as host from "alga:extension/ui-proxy";

import { ownBytes } from "../own-bytes.js";
import { wellFormed } from "../well-formed.js";
import { asking } from "./host-error.js";

/** Call a route of the host application. @throws HostError route-not-found, denied, bad-request, internal */
export function callRoute(route: string, payload?: Uint8Array): Uint8Array {
  return ownBytes(asking("ui-proxy.call-route", () => host.callRoute(wellFormed(route), payload)));
}
