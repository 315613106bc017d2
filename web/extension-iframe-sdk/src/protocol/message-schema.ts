import { FRAME_PAYLOADS, HOST_PAYLOADS, type Shape, WITHOUT_PAYLOAD } from "./shapes.js";

/** Return the JSON Schema (2020-12) of all messages, as it is published. */
export function messageSchema(): unknown {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Messages between a host page and an extension's frame",
    description: "Generated from web/extension-iframe-sdk/src/protocol/shapes.ts by `make schema`.",
    $defs: {
      host: { description: "Sent by the host page", anyOf: messages(HOST_PAYLOADS) },
      frame: { description: "Sent by the frame", anyOf: messages(FRAME_PAYLOADS) },
    },
    anyOf: [{ $ref: "#/$defs/host" }, { $ref: "#/$defs/frame" }],
  };
}

function messages(payloads: Readonly<Record<string, Shape>>): unknown[] {
  return Object.entries(payloads).map(([type, payload]) => ({
    type: "object",
    properties: {
      alga: { const: true },
      version: { const: "1" },
      type: { const: type },
      request_id: { type: "string" },
      payload: schemaOf(payload),
    },
    required: ["alga", "version", "type", ...(type === WITHOUT_PAYLOAD ? [] : ["payload"])],
  }));
}

function schemaOf(shape: Shape): unknown {
  if (typeof shape === "string") return { type: shape };
  if (shape instanceof RegExp) return { type: "string", pattern: shape.source };
  if (Array.isArray(shape)) {
    return { type: "object", propertyNames: { pattern: shape[0].source }, additionalProperties: { type: "string" } };
  }
  const members = Object.entries(shape);
  return {
    type: "object",
    properties: Object.fromEntries(members.map(([name, member]) => [name.replace("?", ""), schemaOf(member)])),
    required: members.map(([name]) => name).filter((name) => !name.endsWith("?")),
  };
}
