/** Measure the height of a document, and follow it. */

import { HeightFollower } from "./height-follower.js";

/** Changes within this time are measured once, in milliseconds. */
const TOGETHER_MS = 16;
/** What can change the height of a document besides its elements and their attributes. */
const EVENTS = ["load", "transitionend", "animationend", "toggle", "input"];

/**
 * The height that a frame needs to show all of its document, in CSS pixels: everything that can be scrolled to, such as
 * margins, and elements that are positioned outside the flow.
 */
export function documentHeight(document: Document): number {
  const root = document.documentElement;
  const view = viewOf(document);
  // The document is higher than its frame. This height has everything, but it is never less than the frame's.
  if (view.scrollHeight > view.clientHeight) return view.scrollHeight;
  const margin = Number.parseFloat(styleOf(root).marginBottom) || 0;
  return Math.ceil(Math.max(bottomOf(root) + margin, lowest(root)) + view.scrollTop);
}

/** The lowest edge of what is shown below an element. What a scrolling or clipping element hides does not count. */
function lowest(parent: Element): number {
  let edge = 0;
  for (const element of parent.children) {
    const rectangle = element.getBoundingClientRect();
    const style = styleOf(element);
    if (style.display === "none") continue;
    // An element that is fixed to the lower edge of the frame is where it is in any frame.
    const fixedBelow = style.position === "fixed" && isAtBottomOf(rectangle, viewOf(element.ownerDocument));
    if (rectangle.height > 0 && !fixedBelow) edge = Math.max(edge, rectangle.bottom);
    if (style.overflowY === "visible" && element.childElementCount > 0) edge = Math.max(edge, lowest(element));
  }
  return edge;
}

function isAtBottomOf(rectangle: DOMRect, view: Element): boolean {
  return Math.abs(rectangle.bottom - view.clientHeight) < 1;
}

/** The element whose sizes are those of the frame: in quirks mode, that is the body. */
function viewOf(document: Document): Element {
  return document.scrollingElement ?? document.documentElement;
}

function bottomOf(element: Element): number {
  return element.getBoundingClientRect().bottom;
}

function styleOf(element: Element): CSSStyleDeclaration {
  return getComputedStyle(element);
}

/** Report the height of a window's document now, and when it changes. Returns a function that ends this. */
export function followHeight(frame: Window, report: (height: number) => void): () => void {
  const { document } = frame;
  const follower = new HeightFollower();
  let timer: ReturnType<typeof setTimeout> | undefined;
  const measure = (): void => {
    timer = undefined;
    const height = follower.next(documentHeight(document), viewOf(document).clientHeight);
    if (height !== undefined) report(height);
  };
  const soon = (): void => {
    timer ??= setTimeout(measure, TOGETHER_MS);
  };
  const sizes = new ResizeObserver(soon);
  sizes.observe(document.documentElement);
  sizes.observe(document.body);
  const changes = new MutationObserver(soon);
  changes.observe(document, { subtree: true, childList: true, characterData: true, attributes: true });
  for (const name of EVENTS) document.addEventListener(name, soon, true);
  frame.addEventListener("resize", soon);
  document.fonts.addEventListener("loadingdone", soon);
  measure();
  return () => {
    clearTimeout(timer);
    sizes.disconnect();
    changes.disconnect();
    for (const name of EVENTS) document.removeEventListener(name, soon, true);
    frame.removeEventListener("resize", soon);
    document.fonts.removeEventListener("loadingdone", soon);
  };
}
