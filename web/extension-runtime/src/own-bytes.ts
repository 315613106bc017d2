/**
 * Bytes from the host as a Uint8Array of this realm: on StarlingMonkey the host's come from another one, which
 * `instanceof` does not know. The memory is shared, not copied. Absent bytes are empty.
 */
export function ownBytes(bytes: Uint8Array | null | undefined): Uint8Array {
  return bytes == null ? new Uint8Array() : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
