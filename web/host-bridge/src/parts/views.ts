/** What stands in the place of a page that is not ready. It is loaded with each mount, beside the page. */

import type { Failure, State } from "../bootstrap-iframe.js";
import { button, draw, TEXT } from "../draw.js";
import type { MountOptions } from "../mount.js";
import { plain, TEXTS } from "../texts.js";

const COVER = `${TEXT}background:var(--alga-bg,Canvas);position:absolute;inset:0;display:grid;place-content:center;justify-items:center;gap:.75rem;padding:1rem;text-align:center`;
/** Failures after which the same page can succeed. */
const PASSING: readonly (Failure | undefined)[] = ["no_answer", "unavailable", "flooded", "bridge_incomplete"];

const covers = new WeakMap<HTMLElement, HTMLElement>();

/** Cover the frame in an element with what its state looks like; a page that is ready is not covered. */
export function showState(
  element: HTMLElement,
  { title, texts, view }: Pick<MountOptions, "title" | "texts" | "view">,
  state: State,
  failure: Failure | undefined,
  retry: () => void,
): void {
  covers.get(element)?.remove();
  if (state === "ready") return;
  const document = element.ownerDocument;
  const words = { ...TEXTS, ...texts };
  const cover = draw(document, "div", COVER);
  cover.setAttribute("role", state === "failed" ? "alert" : "status");
  covers.set(element, cover);
  element.append(cover);
  const passes = PASSING.includes(failure);
  const sentence = words[state === "failed" && !passes ? "refused" : state].replace("{title}", () => plain(title, 80));
  const own = view?.(state, failure, retry);
  cover.append(own ?? draw(document, "span", "", sentence));
  if (own === undefined && passes) cover.append(button(document, words.retry, retry));
  if (state === "loading" && !document.defaultView?.matchMedia("(prefers-reduced-motion: reduce)").matches) {
    cover.animate({ opacity: [0, 1] }, { duration: 200, delay: 200, fill: "backwards" });
  }
}
