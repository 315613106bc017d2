/** Checks of received messages. The other side is untrusted and may send anything. */

import type { FrameMessage, HostMessage } from "./messages.js";
import { FRAME_PAYLOADS, HOST_PAYLOADS, PATH, type Shape, WITHOUT_PAYLOAD } from "./shapes.js";

/** Tell whether this is a complete and valid message of a host. */
export function isHostMessage(value: unknown): value is HostMessage {
  return isMessage(value, HOST_PAYLOADS);
}

/** Tell whether this is a complete and valid message of a frame. */
export function isFrameMessage(value: unknown): value is FrameMessage {
  return isMessage(value, FRAME_PAYLOADS);
}

/** Tell whether this is a path that stays below any prefix that is written before it. */
export function isPath(value: unknown): value is string {
  return fits(PATH, value);
}

function isMessage(value: unknown, payloads: Readonly<Record<string, Shape>>): boolean {
  if (!fits({ version: /^1$/, type: "string", "request_id?": "string" }, value)) return false;
  const { alga, type, payload } = value as { alga: unknown; type: string; payload: unknown };
  if (alga !== true || !Object.hasOwn(payloads, type)) return false;
  return (payload === undefined && type === WITHOUT_PAYLOAD) || fits(payloads[type] as Shape, payload);
}

function fits(shape: Shape, value: unknown): boolean {
  if (typeof shape === "string") return typeof value === shape && (shape !== "number" || Number.isFinite(value));
  if (shape instanceof RegExp) return typeof value === "string" && shape.test(value);
  if (!isRecord(value)) return false;
  // An optional member may be there with the value undefined, which JSON has not.
  if (Array.isArray(shape)) {
    return Object.entries(value).every(([name, text]) => shape[0].test(name) && fits("string", text ?? ""));
  }
  return Object.entries(shape).every(([name, member]) => {
    const key = name.replace("?", "");
    const own = Object.hasOwn(value, key) ? value[key] : undefined;
    return own === undefined ? key !== name : fits(member, own);
  });
}

/** Tell whether a value is an object as JSON has it. Bytes are not, and may have millions of members. */
function isRecord(value: unknown): value is Record<string, unknown> {
  return Object.getPrototypeOf(value ?? 0) === Object.prototype;
}
