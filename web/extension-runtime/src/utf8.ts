/** UTF-8 in plain JavaScript, for engines without TextEncoder and TextDecoder (QuickJS). */

const REPLACEMENT = 0xfffd;

/** Encode a string; a lone surrogate becomes U+FFFD, as in TextEncoder. */
export function encodeUtf8(text: string): Uint8Array<ArrayBuffer> {
  // A UTF-16 unit takes at most three bytes.
  const bytes = new Uint8Array(text.length * 3);
  let end = 0;
  for (let at = 0; at < text.length; at++) {
    let point = text.charCodeAt(at);
    if (point < 0x80) {
      bytes[end++] = point;
      continue;
    }
    if (point >= 0xd800 && point <= 0xdfff) {
      const low = point <= 0xdbff ? text.charCodeAt(at + 1) : NaN;
      if (low >= 0xdc00 && low <= 0xdfff) {
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
        at++;
      } else {
        point = REPLACEMENT;
      }
    }
    if (point < 0x800) {
      bytes[end++] = 0xc0 | (point >> 6);
    } else {
      if (point < 0x10000) {
        bytes[end++] = 0xe0 | (point >> 12);
      } else {
        bytes[end++] = 0xf0 | (point >> 18);
        bytes[end++] = 0x80 | ((point >> 12) & 0x3f);
      }
      bytes[end++] = 0x80 | ((point >> 6) & 0x3f);
    }
    bytes[end++] = 0x80 | (point & 0x3f);
  }
  return bytes.slice(0, end);
}

/**
 * Decode bytes as the Encoding Standard says: the longest valid beginning of a broken sequence becomes one U+FFFD.
 *
 * @throws TypeError in `fatal` mode, at the first broken sequence
 */
export function decodeUtf8(bytes: Uint8Array, fatal = false): string {
  const chunks: string[] = [];
  let units: number[] = [];
  let at = 0;
  while (at < bytes.length) {
    const first = bytes[at++] ?? 0;
    let point = first;
    if (first >= 0x80) {
      const [length, lowest, highest] = sequence(first);
      point = length === 0 ? -1 : first & (0x7f >> length);
      for (let more = 1; more < length; more++) {
        const next = bytes[at] ?? 0;
        const isFirstMore = more === 1;
        if (next < (isFirstMore ? lowest : 0x80) || next > (isFirstMore ? highest : 0xbf)) {
          point = -1;
          break;
        }
        point = (point << 6) | (next & 0x3f);
        at++;
      }
    }
    if (point < 0) {
      if (fatal) throw new TypeError("The bytes are not valid UTF-8.");
      point = REPLACEMENT;
    }
    if (point >= 0x10000) {
      units.push(0xd800 + ((point - 0x10000) >> 10), 0xdc00 + ((point - 0x10000) & 0x3ff));
    } else {
      units.push(point);
    }
    if (units.length >= 4096) {
      chunks.push(String.fromCharCode(...units));
      units = [];
    }
  }
  chunks.push(String.fromCharCode(...units));
  return chunks.join("");
}

/** Return the length of the sequence that a first byte begins (0 = invalid), and the bounds of its second byte. */
function sequence(first: number): [length: number, lowest: number, highest: number] {
  if (first >= 0xc2 && first <= 0xdf) return [2, 0x80, 0xbf];
  if (first === 0xe0) return [3, 0xa0, 0xbf];
  if (first === 0xed) return [3, 0x80, 0x9f];
  if (first >= 0xe1 && first <= 0xef) return [3, 0x80, 0xbf];
  if (first === 0xf0) return [4, 0x90, 0xbf];
  if (first >= 0xf1 && first <= 0xf3) return [4, 0x80, 0xbf];
  if (first === 0xf4) return [4, 0x80, 0x8f];
  return [0, 0, 0];
}
