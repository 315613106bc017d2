/** Give QuickJS, which has none, a `console` that writes to the call's log. What is written at build time is dropped. */

import * as log from "../host/log.js";

let callHasBegun = false;

/** Allow the console to use the host, which cannot be called while the component is built. */
export function beginCall(): void {
  callHasBegun = true;
}

type Write = (...values: unknown[]) => void;

function writing(level: (message: string) => void): Write {
  return (...values) => {
    if (callHasBegun) level(values.map(shown).join(" "));
  };
}

function shown(value: unknown): string {
  if (typeof value === "string") return value;
  if (value instanceof Error) return `${value.name}: ${value.message}\n${value.stack ?? ""}`.trimEnd();
  if (typeof value !== "object" || value === null) return String(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return Object.prototype.toString.call(value); // cyclic, or with a bigint inside
  }
}

const info = writing(log.info);
const error = writing(log.error);
const console = {
  log: info,
  info,
  debug: info,
  trace: info,
  dir: info,
  table: info,
  warn: writing(log.warn),
  error,
  assert: (holds: unknown, ...values: unknown[]): void => {
    if (!holds) error("Assertion failed:", ...values);
  },
};

(globalThis as { console?: unknown }).console ??= console;
