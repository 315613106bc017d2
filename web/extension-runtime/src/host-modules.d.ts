/**
 * The host's interfaces as the compilers provide them to a guest (wit/alga-extension.wit).
 *
 * The engines differ in two points, and the wrappers in host/ hide the difference: an absent option is `null` on QuickJS
 * and `undefined` on StarlingMonkey; a u64 is a `number` on QuickJS and a `bigint` on StarlingMonkey. The error of a
 * result is thrown, with its case in `payload`.
 */

declare module "alga:extension/types" {
  type Option<T> = T | null | undefined;
  type U64 = number | bigint;

  interface ContextData {
    requestId?: Option<string>;
    tenantId: string;
    extensionId: string;
    installId?: Option<string>;
    versionId?: Option<string>;
  }
  interface HttpHeader {
    name: string;
    value: string;
  }
  interface HttpRequest {
    method: string;
    url: string;
    headers: HttpHeader[];
    body?: Option<Uint8Array>;
  }
  interface HttpResponse {
    status: number;
    headers: HttpHeader[];
    body?: Option<Uint8Array>;
  }
  interface ExecuteRequest {
    context: ContextData;
    http: HttpRequest;
  }
  type ExecuteResponse = HttpResponse;

  interface StorageEntry {
    namespace: string;
    key: string;
    value: Uint8Array;
    revision?: Option<U64>;
  }

  interface UserData {
    tenantId: string;
    clientName: string;
    userId: string;
    userEmail: string;
    userName: string;
    userType: string;
  }
  interface UserDataV2 extends UserData {
    clientId?: Option<string>;
    additionalFields: [string, string][];
  }

  interface ScheduleInfo {
    id: string;
    endpointPath: string;
    endpointMethod: string;
    name?: Option<string>;
    cron: string;
    timezone: string;
    enabled: boolean;
    payload?: Option<string>;
    lastRunAt?: Option<string>;
    lastRunStatus?: Option<string>;
    lastError?: Option<string>;
    createdAt?: Option<string>;
  }
  interface EndpointInfo {
    id: string;
    method: string;
    path: string;
    handler: string;
    schedulable: boolean;
  }
  interface CreateScheduleInput {
    endpoint: string;
    cron: string;
    timezone?: Option<string>;
    enabled?: Option<boolean>;
    name?: Option<string>;
    payload?: Option<string>;
  }
  interface CreateScheduleResult {
    success: boolean;
    scheduleId?: Option<string>;
    error?: Option<string>;
    fieldErrors?: Option<string>;
  }
  interface UpdateScheduleInput {
    endpoint?: Option<string>;
    cron?: Option<string>;
    timezone?: Option<string>;
    enabled?: Option<boolean>;
    name?: Option<string>;
    payload?: Option<string>;
  }
  interface UpdateScheduleResult {
    success: boolean;
    error?: Option<string>;
    fieldErrors?: Option<string>;
  }
  interface DeleteScheduleResult {
    success: boolean;
    error?: Option<string>;
  }

  interface ManualInvoiceItemInput {
    serviceId: string;
    quantity: number;
    description: string;
    rate: number;
    isDiscount?: Option<boolean>;
    discountType?: Option<"percentage" | "fixed">;
    appliesToItemId?: Option<string>;
    appliesToServiceId?: Option<string>;
  }
  interface CreateManualInvoiceInput {
    clientId: string;
    items: ManualInvoiceItemInput[];
    invoiceDate?: Option<string>;
    dueDate?: Option<string>;
    poNumber?: Option<string>;
  }
  interface CreateManualInvoiceResult {
    success: boolean;
    invoiceId?: Option<string>;
    invoiceNumber?: Option<string>;
    status?: Option<string>;
    subtotal?: Option<number>;
    tax?: Option<number>;
    total?: Option<number>;
    error?: Option<string>;
    fieldErrors?: Option<string>;
  }

  interface ClientSummary {
    clientId: string;
    clientName: string;
    clientType?: Option<string>;
    isInactive: boolean;
    defaultCurrencyCode?: Option<string>;
    accountManagerId?: Option<string>;
    accountManagerName?: Option<string>;
    billingEmail?: Option<string>;
  }
  interface ClientsListInput {
    search?: Option<string>;
    includeInactive?: Option<boolean>;
    page?: Option<number>;
    pageSize?: Option<number>;
  }
  interface ClientsListResult {
    items: ClientSummary[];
    totalCount: number;
    page: number;
    pageSize: number;
  }

  type ItemKind = "service" | "product";
  type BillingMethod = "fixed" | "hourly" | "usage";
  interface ServiceSummary {
    serviceId: string;
    serviceName: string;
    itemKind: ItemKind;
    billingMethod: BillingMethod;
    serviceTypeId?: Option<string>;
    serviceTypeName?: Option<string>;
    defaultRate: number;
    unitOfMeasure: string;
    isActive: boolean;
    sku?: Option<string>;
  }
  interface ServicesListInput {
    search?: Option<string>;
    itemKind?: Option<ItemKind>;
    isActive?: Option<boolean>;
    billingMethod?: Option<BillingMethod>;
    page?: Option<number>;
    pageSize?: Option<number>;
  }
  interface ServicesListResult {
    items: ServiceSummary[];
    totalCount: number;
    page: number;
    pageSize: number;
  }
}

declare module "alga:extension/context" {
  import type { ContextData } from "alga:extension/types";
  export function getContext(): ContextData;
}

declare module "alga:extension/logging" {
  export function logInfo(message: string): void;
  export function logWarn(message: string): void;
  export function logError(message: string): void;
}

declare module "alga:extension/user" {
  import type { UserData } from "alga:extension/types";
  export function getUser(): UserData;
}

declare module "alga:extension/user-v2" {
  import type { UserDataV2 } from "alga:extension/types";
  export function getUser(): UserDataV2;
}

declare module "alga:extension/secrets" {
  export function get(key: string): string;
  export function listKeys(): string[];
}

declare module "alga:extension/http" {
  import type { HttpRequest, HttpResponse } from "alga:extension/types";
  export function fetch(request: HttpRequest): HttpResponse;
}

declare module "alga:extension/storage" {
  import type { Option, StorageEntry } from "alga:extension/types";
  export function get(namespace: string, key: string): StorageEntry;
  export function put(entry: StorageEntry): StorageEntry;
  function remove(namespace: string, key: string): void;

  export { remove as delete };
  export function listEntries(namespace: string, cursor: Option<string>): StorageEntry[];
}

declare module "alga:extension/storage-v2" {
  import type { Option, StorageEntry, U64 } from "alga:extension/types";
  export type Condition = { tag: "always" } | { tag: "absent" } | { tag: "revision"; val: U64 };
  export interface PutRequest {
    namespace: string;
    key: string;
    value: Uint8Array;
    ttlSeconds?: Option<number>;
    condition: Condition;
  }
  export interface Page {
    entries: StorageEntry[];
    nextCursor?: Option<string>;
  }
  export function listPage(namespace: string, prefix: Option<string>, cursor: Option<string>, limit: number): Page;
  export function putWith(request: PutRequest): StorageEntry;
  export function putMany(requests: PutRequest[]): StorageEntry[];
  export function deleteIf(namespace: string, key: string, revision: U64): void;
}

declare module "alga:extension/ui-proxy" {
  import type { Option } from "alga:extension/types";
  export function callRoute(route: string, payload: Option<Uint8Array>): Uint8Array;
}

declare module "alga:extension/scheduler" {
  import type {
    CreateScheduleInput,
    CreateScheduleResult,
    DeleteScheduleResult,
    EndpointInfo,
    Option,
    ScheduleInfo,
    UpdateScheduleInput,
    UpdateScheduleResult,
  } from "alga:extension/types";
  export function listSchedules(): ScheduleInfo[];
  export function getSchedule(id: string): Option<ScheduleInfo>;
  export function createSchedule(input: CreateScheduleInput): CreateScheduleResult;
  export function updateSchedule(id: string, input: UpdateScheduleInput): UpdateScheduleResult;
  export function deleteSchedule(id: string): DeleteScheduleResult;
  export function getEndpoints(): EndpointInfo[];
}

declare module "alga:extension/invoicing" {
  import type { CreateManualInvoiceInput, CreateManualInvoiceResult } from "alga:extension/types";
  export function createManualInvoice(input: CreateManualInvoiceInput): CreateManualInvoiceResult;
}

declare module "alga:extension/clients" {
  import type { ClientSummary, ClientsListInput, ClientsListResult, Option } from "alga:extension/types";
  export function listClients(input: ClientsListInput): ClientsListResult;
  export function getClient(id: string): Option<ClientSummary>;
}

declare module "alga:extension/services" {
  import type { Option, ServiceSummary, ServicesListInput, ServicesListResult } from "alga:extension/types";
  export function listServices(input: ServicesListInput): ServicesListResult;
  export function getService(id: string): Option<ServiceSummary>;
}

declare module "alga:extension/metrics" {
  export function emit(name: string, value: number, unit: string, dimensions: [string, string][]): void;
}

declare module "alga:extension/config" {
  import type { Option } from "alga:extension/types";
  export function get(key: string): Option<string>;
  export function listKeys(): string[];
}
