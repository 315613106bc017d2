/**
 * Return bytes from the host as a Uint8Array of this realm. On StarlingMonkey, the host's bytes come from another realm,
 * so `instanceof Uint8Array` is false for them. The memory is shared, not copied. Absent bytes become an empty array.
 */
export function ownBytes(bytes: Uint8Array | null | undefined): Uint8Array {
  return bytes == null ? new Uint8Array() : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
