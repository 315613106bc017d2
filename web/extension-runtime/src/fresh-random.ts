/** Math.random for guests that start from a snapshot. */

import { onQuickJs } from "./engine.js";

/**
 * Give Math.random a new seed for the current call, on engines that do not do it themselves.
 *
 * Every call of a component starts from the same memory snapshot, and QuickJS keeps the state of its generator in that
 * memory. Without a new seed, every call would get the same numbers, and two calls would make the same "random" id. The
 * numbers are not secret.
 */
export function freshenRandom(requestId: string): void {
  if (!onQuickJs()) return;
  // The seed is made at the first use, because most calls need no random number.
  let next: (() => number) | undefined;
  Math.random = () => {
    next ??= generator(`${requestId} ${Date.now()} ${clock()}`);
    return next();
  };
}

function clock(): number {
  const { performance } = globalThis as { performance?: { now(): number } };
  return performance?.now() ?? 0;
}

/** The generator sfc32 (Chris Doty-Humphrey, public domain), seeded by the FNV-1a hash of a text. */
function generator(seed: string): () => number {
  let a = fnv1a(seed, 1);
  let b = fnv1a(seed, 2);
  let c = fnv1a(seed, 3);
  let counter = 1;
  const next = (): number => {
    const sum = (a + b + counter++) | 0;
    a = b ^ (b >>> 9);
    b = (c + (c << 3)) | 0;
    c = ((c << 21) | (c >>> 11)) + sum;
    return sum >>> 0;
  };
  for (let round = 0; round < 12; round++) next();
  return () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
}

function fnv1a(text: string, salt: number): number {
  let hash = 0x811c9dc5 ^ salt;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return hash;
}
