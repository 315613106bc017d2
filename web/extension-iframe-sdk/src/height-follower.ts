/** How often the frame is made higher for a page that then becomes higher itself. */
const ROUNDS_LIMIT = 2;

/**
 * Decides which height to ask for, from the height of the document and of the frame, in CSS pixels.
 *
 * A document may be as high as its frame plus something, for example with `min-height: 100vh` and a margin. Each greater
 * frame would then make it higher again, up to the host's limit. So the rounds in which the frame changed and the document
 * still did not fit are counted, and after `ROUNDS_LIMIT` of them nothing is asked for until the content changes.
 */
export class HeightFollower {
  #document = 0;
  #frame: number | undefined;
  #asked: number | undefined;
  #rounds = 0;

  /** Return the height to ask for, or `undefined`. */
  next(document: number, frame: number): number | undefined {
    const frameChanged = this.#frame !== undefined && frame !== this.#frame;
    if (frameChanged) this.#rounds = document > frame ? this.#rounds + 1 : 0;
    else if (document !== this.#document) this.#rounds = 0;
    this.#frame = frame;
    this.#document = document;
    if (document === this.#asked || this.#rounds > ROUNDS_LIMIT) return undefined;
    this.#asked = document;
    return document;
  }
}
