/** How often the frame is made higher for a page that then becomes higher itself. */
const ROUNDS_LIMIT = 2;

/**
 * Decides which height to ask for, from the height of the document and of the frame, in CSS pixels.
 *
 * A document may be as high as its frame plus something, for example with `min-height: 100vh` and a margin. Each greater
 * frame would then make it higher again, up to the host's limit. Such a document exceeds its new frame by as much as the
 * one before: then nothing more is asked for. A document whose excess changes, as with `120vh`, gets `ROUNDS_LIMIT` rounds.
 */
export class HeightFollower {
  #document = 0;
  #frame: number | undefined;
  #asked: number | undefined;
  /** By how much the document exceeded the frame when its height was last asked for. */
  #excess: number | undefined;
  /** By how much the document exceeds any frame, once this is known. */
  #constantExcess: number | undefined;
  #rounds = 0;

  /** Return the height to ask for, or `undefined`. */
  next(document: number, frame: number): number | undefined {
    const frameChanged = this.#frame !== undefined && frame !== this.#frame;
    const excess = document - frame;
    if (frameChanged) {
      this.#rounds = excess > 0 ? this.#rounds + 1 : 0;
      if (excess > 0 && excess === this.#excess) this.#constantExcess = excess;
    } else if (document !== this.#document) {
      this.#rounds = 0;
    }
    this.#frame = frame;
    this.#document = document;
    if (document === this.#asked || this.#rounds > ROUNDS_LIMIT) return undefined;
    if (frameChanged && excess === this.#constantExcess) return undefined;
    this.#excess = excess;
    this.#asked = document;
    return document;
  }
}
