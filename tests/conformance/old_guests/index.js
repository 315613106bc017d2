// Calls every import of AlgaPSA's contract and answers with what came of each.
import { getClient, listClients } from "alga:extension/clients";
import { getContext } from "alga:extension/context";
import { fetch } from "alga:extension/http";
import { createManualInvoice } from "alga:extension/invoicing";
import { logError, logInfo, logWarn } from "alga:extension/logging";
import {
  createSchedule,
  deleteSchedule,
  getEndpoints,
  getSchedule,
  listSchedules,
  updateSchedule,
} from "alga:extension/scheduler";
import { get as getSecret, listKeys } from "alga:extension/secrets";
import { getService, listServices } from "alga:extension/services";
import { get, listEntries, put, delete as remove } from "alga:extension/storage";
import { callRoute } from "alga:extension/ui-proxy";
import { getUser } from "alga:extension/user";
import { getUser as getUserV2 } from "alga:extension/user-v2";

/** @param {() => unknown} call */
function attempt(call) {
  try {
    return call() ?? null;
  } catch (error) {
    if (typeof error === "object" && error !== null && "payload" in error) return `error ${error.payload}`;
    throw error;
  }
}

/** @param {string} text */
const bytes = (text) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
/** @param {Uint8Array | undefined} data */
const text = (data) => String.fromCharCode(...(data ?? []));

/** @param {any} request */
export function handler(request) {
  logInfo("info");
  logWarn("warn");
  logError("error");
  const entry = { namespace: "old", key: "k", value: bytes("stored"), revision: undefined };
  const items = [{ serviceId: "s", quantity: 1, description: "d", rate: 2, discountType: "fixed" }];
  const created = createManualInvoice({ clientId: "c-1", items });
  const refused = createManualInvoice({ clientId: "none", items });
  const found = {
    method: request.http.method,
    url: request.http.url,
    headers: request.http.headers.map((/** @type {any} */ header) => [header.name, header.value]),
    body: text(request.http.body),
    tenant: getContext().tenantId,
    user: attempt(() => getUser().userEmail),
    userV2: attempt(() => [getUserV2().userEmail, getUserV2().clientId, getUserV2().additionalFields]),
    put: attempt(() => Number(put(entry).revision)),
    get: attempt(() => text(get("old", "k").value)),
    entries: attempt(() => listEntries("old", undefined).map((/** @type {any} */ item) => item.key)),
    delete: attempt(() => remove("old", "k")),
    missing: attempt(() => get("old", "k")),
    secret: attempt(() => getSecret("API_KEY")),
    keys: listKeys(),
    fetch: attempt(() => fetch({ method: "GET", url: "https://example.com/", headers: [], body: undefined })),
    route: attempt(() => callRoute("/..", bytes("{}"))),
    create: createSchedule({ endpoint: "POST /sync", cron: "0 3 * * *" }).success,
    schedules: attempt(() => listSchedules().map((/** @type {any} */ schedule) => schedule.cron)),
    schedule: attempt(() => getSchedule("none")),
    update: updateSchedule("none", { enabled: false }).success,
    remove: deleteSchedule("none").success,
    endpoints: attempt(() => getEndpoints().length),
    invoice: [created.invoiceId, created.total],
    refused: [refused.error, refused.fieldErrors],
    clients: attempt(() => listClients({}).items.map((/** @type {any} */ client) => client.clientId)),
    client: attempt(() => getClient("c")),
    services: attempt(() =>
      listServices({ itemKind: "product", billingMethod: "fixed" }).items.map(
        (/** @type {any} */ service) => service.serviceId,
      ),
    ),
    service: attempt(() => getService("s-1").defaultRate),
  };
  return {
    status: 200,
    headers: [{ name: "content-type", value: "application/json" }],
    body: bytes(JSON.stringify(found)),
  };
}
