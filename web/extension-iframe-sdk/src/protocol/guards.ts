/** Checks of received messages. The other side is untrusted and may send anything. */

import type {
  ApiProxyPayload,
  ApiProxyResponsePayload,
  BootstrapPayload,
  FrameMessage,
  HostMessage,
  Session,
  ThemeTokens,
} from "./messages.js";

type Check = (value: unknown) => boolean;

const METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]);
const PATH_LIMIT = 8192;

const HOST_PAYLOADS: ReadonlyMap<string, Check> = new Map<HostMessage["type"], Check>([
  ["bootstrap", isBootstrap],
  ["theme", isThemeTokens],
  ["apiproxy_response", isApiProxyResponse],
]);

const FRAME_PAYLOADS: ReadonlyMap<string, Check> = new Map<FrameMessage["type"], Check>([
  ["ready", isRecord],
  ["resize", (value) => isRecord(value) && isFiniteNumber(value["height"])],
  ["navigate", (value) => isRecord(value) && isPath(value["path"])],
  ["apiproxy", isApiProxy],
]);

/** Tell whether this is a complete and valid message of a host. */
export function isHostMessage(value: unknown): value is HostMessage {
  return isMessage(value, HOST_PAYLOADS);
}

/** Tell whether this is a complete and valid message of a frame. */
export function isFrameMessage(value: unknown): value is FrameMessage {
  return isMessage(value, FRAME_PAYLOADS);
}

/**
 * Tell whether this is a path that stays below any prefix that is written before it. It must begin with exactly one slash
 * and have no dot segments (plain or encoded), no backslash and no control characters (URL parsers drop or rewrite these).
 */
export function isPath(value: unknown): value is string {
  if (typeof value !== "string" || value.length > PATH_LIMIT) return false;
  if (!value.startsWith("/") || value.startsWith("//")) return false;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the expression refuses control characters
  if (/[\u0000-\u0020\u007f\\]/.test(value)) return false;
  const [path = ""] = value.split(/[?#]/);
  return path.split("/").every((segment) => !/^(?:\.|%2e){1,2}$/i.test(segment));
}

function isMessage(value: unknown, payloads: ReadonlyMap<string, Check>): boolean {
  if (!isRecord(value) || value["alga"] !== true || value["version"] !== "1") return false;
  if (!isOptional(value["request_id"], isText)) return false;
  const type = value["type"];
  const check = typeof type === "string" ? payloads.get(type) : undefined;
  return check?.(value["payload"]) ?? false;
}

function isBootstrap(value: unknown): value is BootstrapPayload {
  return (
    isRecord(value) &&
    isOptional(value["session"], isSession) &&
    isThemeTokens(value["theme_tokens"]) &&
    isRecord(value["navigation"]) &&
    isText(value["navigation"]["path"])
  );
}

function isSession(value: unknown): value is Session {
  return isRecord(value) && isText(value["token"]) && isText(value["expires_at"]);
}

function isThemeTokens(value: unknown): value is ThemeTokens {
  return isTextMap(value) && Object.keys(value).every((name) => /^[a-z0-9-]{1,64}$/.test(name));
}

function isApiProxy(value: unknown): value is ApiProxyPayload {
  return (
    isRecord(value) &&
    isPath(value["route"]) &&
    isOptional(value["method"], (method) => isText(method) && METHODS.has(method)) &&
    isOptional(value["body"], isText)
  );
}

function isApiProxyResponse(value: unknown): value is ApiProxyResponsePayload {
  return (
    isRecord(value) &&
    isFiniteNumber(value["status"]) &&
    isTextMap(value["headers"]) &&
    isOptional(value["body"], isText) &&
    isOptional(value["error"], isText)
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isTextMap(value: unknown): value is Record<string, string> {
  return isRecord(value) && Object.values(value).every(isText);
}

function isText(value: unknown): value is string {
  return typeof value === "string";
}

function isFiniteNumber(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value);
}

function isOptional(value: unknown, check: Check): boolean {
  return value === undefined || check(value);
}
