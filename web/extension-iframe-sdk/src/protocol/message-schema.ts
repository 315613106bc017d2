import { FRAME_PAYLOADS, HOST_PAYLOADS, type Schema, WITHOUT_PAYLOAD } from "./schemas.js";

/** Return the JSON Schema (2020-12) of all messages, as it is published. */
export function messageSchema(): unknown {
  return {
    $schema: "https://json-schema.org/draft/2020-12/schema",
    title: "Messages between a host page and an extension's frame",
    description: "Generated from web/extension-iframe-sdk/src/protocol/schemas.ts by `make schema`.",
    $defs: {
      host: { description: "Sent by the host page", anyOf: messages(HOST_PAYLOADS) },
      frame: { description: "Sent by the frame", anyOf: messages(FRAME_PAYLOADS) },
    },
    anyOf: [{ $ref: "#/$defs/host" }, { $ref: "#/$defs/frame" }],
  };
}

function messages(payloads: Readonly<Record<string, Schema>>): unknown[] {
  return Object.entries(payloads).map(([type, payload]) => ({
    type: "object",
    properties: {
      alga: { const: true },
      version: { const: "1" },
      type: { const: type },
      request_id: { type: "string" },
      payload,
    },
    required: ["alga", "version", "type", ...(WITHOUT_PAYLOAD.includes(type) ? [] : ["payload"])],
  }));
}
