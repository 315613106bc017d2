import { setTokens, type ThemeTokens } from "@alga/extension-iframe-sdk/protocol";

import {
  type BootstrapOptions,
  bootstrapIframe,
  type ExtensionFrame,
  type Failure,
  type State,
} from "./bootstrap-iframe.js";
import { button, COVER, draw, PLAIN_BUTTON } from "./draw.js";
import { LOWEST_HEIGHT } from "./frame-link.js";
import { plain, TEXTS } from "./texts.js";

export interface MountOptions extends Omit<BootstrapOptions, "iframe"> {
  /** The element that the extension is added to. */
  readonly container: HTMLElement;
  /** Draws a state other than `ready` in place of the bridge; `undefined` leaves it to the bridge. */
  readonly view?: (state: State, failure: Failure | undefined, retry: () => void) => Node | undefined;
}

/** A shown extension. */
export interface MountedExtension extends Omit<ExtensionFrame, "close"> {
  /** Holds the frame and, while it is not ready, what is shown in its place. */
  readonly element: HTMLElement;
  readonly iframe: HTMLIFrameElement;
  /** Remove the extension from the document and end the link. */
  unmount(): void;
}

/** Failures after which the same page can succeed. */
const PASSING: readonly (Failure | undefined)[] = ["no_answer", "unavailable", "flooded"];

/** Show an extension in a sandboxed frame, with something to see while it loads and when it fails. */
export function mountExtension(options: MountOptions): MountedExtension {
  const { container, theme = {} } = options;
  const document = container.ownerDocument;
  const texts = { ...TEXTS, ...options.texts };
  const iframe = draw(document, "iframe", `display:block;width:100%;border:0;height:${LOWEST_HEIGHT}px`);
  const element = draw(document, "div", "position:relative;min-height:8rem", iframe);
  setTokens(element, theme);
  container.append(element);
  let cover: HTMLElement | undefined;
  let frame: ExtensionFrame | undefined;
  const retry = (): void => frame?.reload();

  const show = (state: State, failure?: Failure): void => {
    element.dataset["state"] = state;
    const isReady = state === "ready";
    element.style.minHeight = isReady ? "0" : "8rem";
    iframe.inert = !isReady; // what is covered gets no focus
    cover?.remove();
    cover = undefined;
    if (!isReady) {
      cover = draw(document, "div", COVER, options.view?.(state, failure, retry) ?? standard(state, failure));
      cover.setAttribute("role", state === "failed" ? "alert" : "status");
      element.append(cover);
      if (state === "loading" && !document.defaultView?.matchMedia("(prefers-reduced-motion: reduce)").matches) {
        cover.animate({ opacity: [0, 1] }, { duration: 200, delay: 200, fill: "backwards" });
      }
    }
    options.onState?.(state, failure);
  };

  const standard = (state: State, failure: Failure | undefined): Node => {
    const text = texts[state as "loading" | "failed" | "withdrawn"].replace("{title}", plain(options.title, 80));
    const content = document.createDocumentFragment();
    content.append(draw(document, "span", "", text));
    if (failure !== undefined) content.append(draw(document, "small", "opacity:.8", failure));
    if (PASSING.includes(failure)) content.append(button(document, PLAIN_BUTTON, texts.retry, retry));
    return content;
  };

  show("loading");
  frame = bootstrapIframe({ ...options, iframe, onState: show });
  const { setPath, focus, reload } = frame;
  const made = frame;
  return {
    element,
    iframe,
    get state() {
      return made.state;
    },
    get failure() {
      return made.failure;
    },
    setTheme: (tokens: ThemeTokens) => {
      setTokens(element, tokens);
      made.setTheme(tokens);
    },
    setPath: setPath.bind(made),
    focus: focus.bind(made),
    reload: reload.bind(made),
    unmount: () => {
      made.close();
      element.remove();
    },
  };
}
