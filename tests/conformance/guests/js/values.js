// @ts-check
// Values of the guest contract as JSON, as README.md beside this folder describes them.

import { fromBase64, toBase64 } from "./base64.js";

const IS_QUICKJS = "wit" in globalThis;

/** @param {string} kebab */
export function camel(kebab) {
  return kebab.replace(/-(.)/g, (_, letter) => letter.toUpperCase());
}

/** @param {string} name */
function kebab(name) {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/**
 * @param {any} json
 * @returns {any}
 */
export function fromJson(json) {
  if (json === null) return undefined;
  if (Array.isArray(json)) return json.map(fromJson);
  if (typeof json !== "object") return json;
  if ("$bytes" in json) return fromBase64(json.$bytes);
  if ("$u64" in json) return IS_QUICKJS ? Number(json.$u64) : BigInt(json.$u64);
  return Object.fromEntries(Object.entries(json).map(([name, value]) => [camel(name), fromJson(value)]));
}

/**
 * @param {any} value
 * @returns {any}
 */
export function toJson(value) {
  if (value === undefined || value === null) return null;
  if (typeof value === "bigint") return Number(value);
  // StarlingMonkey's host values come from another realm, so instanceof would not know them.
  if (ArrayBuffer.isView(value)) return { $bytes: toBase64(/** @type {Uint8Array} */ (value)) };
  if (Array.isArray(value)) return value.map(toJson);
  if (typeof value !== "object") return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [kebab(name), toJson(item)]));
}
