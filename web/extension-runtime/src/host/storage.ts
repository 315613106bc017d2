import * as v1 from "alga:extension/storage";
import * as v2 from "alga:extension/storage-v2";
import type { StorageEntry, U64 } from "alga:extension/types";

import { onQuickJs } from "../engine.js";
import { ownBytes } from "../own-bytes.js";
import { decodeUtf8, encodeUtf8 } from "../utf8.js";
import { wellFormed } from "../well-formed.js";
import { asking, askingUnless } from "./host-error.js";

/** A stored value. */
export interface Entry {
  readonly key: string;
  readonly value: Uint8Array;
  /** Grows by 1 with every put. */
  readonly revision: number;
}

/** The condition of a put, and how long the value is kept. */
export interface PutOptions {
  /** Put only if the stored revision is this one. */
  readonly revision?: number;
  /** Put only if nothing is stored. */
  readonly absent?: boolean;
  /** Lifetime, 60 seconds to 30 days. */
  readonly ttlSeconds?: number;
}

export interface PageOptions {
  readonly prefix?: string;
  readonly cursor?: string;
  /** By default 25, at most 100. */
  readonly limit?: number;
}

export interface Page {
  readonly entries: Entry[];
  /** The cursor of the next page; absent on the last page. */
  readonly nextCursor?: string;
}

/** Return the stored entry, or `undefined`. */
export function get(namespace: string, key: string): Entry | undefined {
  const entry = askingUnless("storage.get", "missing", () => v1.get(wellFormed(namespace), wellFormed(key)));
  return entry && fromHost(entry);
}

/** Store bytes. @throws HostError conflict when the condition is not met */
export function put(namespace: string, key: string, value: Uint8Array, options: PutOptions = {}): Entry {
  const { revision, absent, ttlSeconds } = options;
  if (absent === true || ttlSeconds !== undefined) {
    return fromHost(asking("storage-v2.put-with", () => v2.putWith(putRequest(namespace, key, value, options))));
  }
  const expected = revision === undefined ? undefined : toU64(revision);
  return fromHost(asking("storage.put", () => v1.put(wellFormed({ namespace, key, value, revision: expected }))));
}

/** Store up to 20 values, all or none. @throws HostError conflict when a condition is not met */
export function putMany(namespace: string, items: readonly (PutOptions & Pick<Entry, "key" | "value">)[]): Entry[] {
  const requests = items.map((item) => putRequest(namespace, item.key, item.value, item));
  return asking("storage-v2.put-many", () => v2.putMany(requests)).map(fromHost);
}

/** Delete an entry; return `false` when nothing was stored. @throws HostError conflict when another revision is stored */
export function remove(namespace: string, key: string, revision?: number): boolean {
  const done = askingUnless("storage.delete", "missing", () => {
    if (revision === undefined) v1.delete(wellFormed(namespace), wellFormed(key));
    else v2.deleteIf(wellFormed(namespace), wellFormed(key), toU64(revision));
    return true;
  });
  return done ?? false;
}

/** List entries in key order. */
export function list(namespace: string, options: PageOptions = {}): Page {
  const { prefix, cursor, limit = 25 } = options;
  const page = asking("storage-v2.list-page", () =>
    v2.listPage(...wellFormed([namespace, prefix, cursor, limit] as const)),
  );
  const entries = page.entries.map(fromHost);
  return page.nextCursor == null ? { entries } : { entries, nextCursor: page.nextCursor };
}

/** Return a stored JSON value, or `undefined`; check its shape before use. */
export function getJson(namespace: string, key: string): unknown {
  const entry = get(namespace, key);
  return entry && JSON.parse(decodeUtf8(entry.value));
}

/** Store a value as JSON. */
export function putJson(namespace: string, key: string, value: unknown, options: PutOptions = {}): Entry {
  return put(namespace, key, encodeUtf8(JSON.stringify(value)), options);
}

function putRequest(namespace: string, key: string, value: Uint8Array, options: PutOptions): v2.PutRequest {
  const { revision, absent, ttlSeconds } = options;
  const condition: v2.Condition = absent
    ? { tag: "absent" }
    : revision === undefined
      ? { tag: "always" }
      : { tag: "revision", val: toU64(revision) };
  return wellFormed({ namespace, key, value, ttlSeconds, condition });
}

function fromHost(entry: StorageEntry): Entry {
  return { key: entry.key, value: ownBytes(entry.value), revision: Number(entry.revision ?? 0) };
}

/** QuickJS takes a u64 as a number, StarlingMonkey as a bigint. */
function toU64(value: number): U64 {
  return onQuickJs() ? value : BigInt(value);
}
