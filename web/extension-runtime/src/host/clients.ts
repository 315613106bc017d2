import * as host from "alga:extension/clients";
import type { ClientSummary, ClientsListInput, ClientsListResult } from "alga:extension/types";

import { wellFormed } from "../well-formed.js";
import { asking } from "./host-error.js";

/** List clients of the host application. @throws HostError not-allowed, invalid-input, internal */
export function listClients(input: ClientsListInput = {}): ClientsListResult {
  return asking("clients.list-clients", () => host.listClients(wellFormed(input)));
}

/** Return one client, or `undefined`. @throws HostError not-allowed, invalid-input, internal */
export function getClient(id: string): ClientSummary | undefined {
  return asking("clients.get-client", () => host.getClient(wellFormed(id))) ?? undefined;
}
