/** Checks of received messages. The other side is untrusted and may send anything. */

import type { FrameMessage, HostMessage } from "./messages.js";
import { FRAME_PAYLOADS, HOST_PAYLOADS, PATH, type Schema, WITHOUT_PAYLOAD } from "./schemas.js";

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
  return schemaFits(PATH, value);
}

function isMessage(value: unknown, payloads: Readonly<Record<string, Schema>>): boolean {
  if (!isRecord(value) || value["alga"] !== true || value["version"] !== "1") return false;
  const { type, request_id: id, payload } = value;
  if (id !== undefined && typeof id !== "string") return false;
  if (typeof type !== "string" || !Object.hasOwn(payloads, type)) return false;
  if (payload === undefined && WITHOUT_PAYLOAD.includes(type)) return true;
  return schemaFits(payloads[type] as Schema, payload);
}

/** Tell whether a value fits a schema. A number must be finite: messages can carry NaN, and JSON cannot. */
function schemaFits(schema: Schema, value: unknown): boolean {
  if (schema.type === "object") return isRecord(value) && membersFit(schema, value);
  if (typeof value !== schema.type) return false;
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value !== "string") return true;
  if (value.length > (schema.maxLength ?? Infinity)) return false;
  if (schema.pattern !== undefined && !new RegExp(schema.pattern).test(value)) return false;
  return schema.enum?.includes(value) ?? true;
}

function membersFit(schema: Schema, value: Record<string, unknown>): boolean {
  const { properties = {}, required = [], propertyNames, additionalProperties: rest } = schema;
  if (!required.every((name) => Object.hasOwn(value, name))) return false;
  return Object.entries(value).every(([name, member]) => {
    const known = Object.hasOwn(properties, name) ? properties[name] : rest;
    if (propertyNames !== undefined && !new RegExp(propertyNames.pattern).test(name)) return false;
    // An optional member may be there with the value undefined, which JSON has not.
    return known === undefined || (member === undefined && !required.includes(name)) || schemaFits(known, member);
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
