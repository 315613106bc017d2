/** Measure the height of a document, and follow it. */

import { HeightFollower } from "./height-follower.js";

/** Changes within this time are measured once, in milliseconds. */
const TOGETHER_MS = 16;
/** A document that did not change for so long is at rest, in milliseconds. */
const REST_MS = 250;
/** What can change the height of a document besides its elements and their attributes. */
const EVENTS = ["load", "transitionend", "animationend", "toggle", "input"];

/** Where an element with a fixed position was in an earlier frame, and whether it moves with the frame's lower edge. */
interface Fixed {
  readonly bottom: number;
  readonly frame: number;
  readonly moves: boolean | undefined;
}

/**
 * The height that a frame needs to show all of its document, in CSS pixels: everything that can be scrolled to, such as
 * margins, and elements that are positioned outside the flow.
 */
export function documentHeight(document: Document, fixed: WeakMap<Element, Fixed>): number {
  const root = document.documentElement;
  const view = viewOf(document);
  const overlays = lowest(root, view.clientHeight, fixed);
  // The document is higher than its frame. This height has everything in the flow, but is never less than the frame's.
  if (view.scrollHeight > view.clientHeight) return Math.ceil(Math.max(view.scrollHeight, overlays));
  const margin = Number.parseFloat(getComputedStyle(root).marginBottom) || 0;
  return Math.ceil(Math.max(root.getBoundingClientRect().bottom + margin, overlays) + view.scrollTop);
}

/** The lowest edge of what is shown below an element. What a scrolling or clipping element hides does not count. */
function lowest(parent: Element, frame: number, fixed: WeakMap<Element, Fixed>): number {
  let edge = 0;
  for (const element of parent.children) {
    const style = getComputedStyle(element);
    if (style.display === "none") continue;
    const { height, bottom } = element.getBoundingClientRect();
    const counts = style.position !== "fixed" || isPlaced(element, bottom, frame, fixed);
    if (height > 0 && counts) edge = Math.max(edge, bottom);
    if (counts && style.overflowY === "visible") edge = Math.max(edge, lowest(element, frame, fixed));
  }
  return edge;
}

/**
 * Whether a fixed element needs a frame of a certain height. One that moves with the lower edge of the frame is at that
 * edge in any frame. As long as only one frame was seen, an element counts if it is not wholly visible.
 */
function isPlaced(element: Element, bottom: number, frame: number, fixed: WeakMap<Element, Fixed>): boolean {
  const before = fixed.get(element);
  let moves = before?.moves;
  if (before !== undefined && before.frame !== frame) {
    moves = Math.abs(bottom - before.bottom - (frame - before.frame)) < 1;
  }
  fixed.set(element, { bottom, frame, moves });
  return moves === undefined ? bottom > frame : !moves;
}

/** The element whose sizes are those of the frame: in quirks mode, that is the body. */
function viewOf(document: Document): Element {
  return document.scrollingElement ?? document.documentElement;
}

/** Report the height of a window's document now, and when it changes. Returns a function that ends this. */
export function followHeight(frame: Window, report: (height: number) => void): () => void {
  const { document } = frame;
  const follower = new HeightFollower();
  const fixed = new WeakMap<Element, Fixed>();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let rest: ReturnType<typeof setTimeout> | undefined;
  const measure = (atRest: boolean): void => {
    timer = undefined;
    const height = follower.next(documentHeight(document, fixed), viewOf(document).clientHeight, atRest);
    if (height !== undefined) report(height);
  };
  const soon = (): void => {
    timer ??= setTimeout(measure, TOGETHER_MS, false);
    clearTimeout(rest);
    rest = setTimeout(measure, REST_MS, true);
  };
  const sizes = new ResizeObserver(soon);
  sizes.observe(document.documentElement);
  sizes.observe(document.body);
  const changes = new MutationObserver(soon);
  changes.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
  for (const name of EVENTS) document.addEventListener(name, soon, true);
  frame.addEventListener("resize", soon);
  document.fonts.addEventListener("loadingdone", soon);
  soon();
  return () => {
    clearTimeout(timer);
    clearTimeout(rest);
    sizes.disconnect();
    changes.disconnect();
    for (const name of EVENTS) document.removeEventListener(name, soon, true);
    frame.removeEventListener("resize", soon);
    document.fonts.removeEventListener("loadingdone", soon);
  };
}
