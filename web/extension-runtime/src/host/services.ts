import * as host from "alga:extension/services";
import type { ServiceSummary, ServicesListInput, ServicesListResult } from "alga:extension/types";

import { wellFormed } from "../well-formed.js";
import { asking } from "./host-error.js";

/** List services and products of the host application. @throws HostError not-allowed, invalid-input, internal */
export function listServices(input: ServicesListInput = {}): ServicesListResult {
  return asking("services.list-services", () => host.listServices(wellFormed(input)));
}

/** Return one service, or `undefined`. @throws HostError not-allowed, invalid-input, internal */
export function getService(id: string): ServiceSummary | undefined {
  return asking("services.get-service", () => host.getService(wellFormed(id))) ?? undefined;
}
