/** How often the frame is made higher for a page that then becomes higher itself. */
const ROUNDS_LIMIT = 2;

/**
 * Decides which height to ask for, from the height of the document and of the frame, in CSS pixels.
 *
 * A document may be as high as its frame plus something, for example with `min-height: 100vh` and a margin. Each greater
 * frame would then make it higher again, up to the host's limit. Such a document exceeds its new frame by as much as the
 * one before: then nothing more is asked for. A document whose excess changes, as with `120vh`, gets `ROUNDS_LIMIT` rounds,
 * and one more when it is at rest: it may have been an animation.
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
  #hasRested = false;

  /** Return the height to ask for, or `undefined`. `atRest` tells that nothing has changed for a while. */
  next(document: number, frame: number, atRest = false): number | undefined {
    const frameChanged = this.#frame !== undefined && frame !== this.#frame;
    const excess = document - frame;
    if (frameChanged) {
      this.#rounds = excess > 0 ? this.#rounds + 1 : 0;
      if (excess > 0 && excess === this.#excess) this.#constantExcess = excess;
    } else if (document !== this.#document) {
      this.#rounds = 0;
      this.#hasRested = false;
    }
    this.#frame = frame;
    this.#document = document;
    if (document === this.#asked) return undefined;
    if ((frameChanged || atRest) && excess === this.#constantExcess) return undefined;
    if (this.#rounds > ROUNDS_LIMIT) {
      if (!atRest || this.#hasRested) return undefined;
      this.#hasRested = true;
    }
    this.#excess = excess;
    this.#asked = document;
    return document;
  }
}
