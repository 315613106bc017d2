import type { ThemeTokens } from "@alga/extension-iframe-sdk/protocol";

import {
  type BootstrapOptions,
  bootstrapIframe,
  type ExtensionFrame,
  type Failure,
  type State,
} from "./bootstrap-iframe.js";
import { setTokens } from "./tokens.js";

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
  /** Remove the extension from the document and end the link. */
  unmount(): void;
}

/** Show an extension in a sandboxed frame, with something to see while it loads and when it fails. */
export function mountExtension(options: MountOptions): MountedExtension {
  const { container, theme = {}, onState, onError } = options;
  const document = container.ownerDocument;
  const element = container.appendChild(document.createElement("div"));
  const iframe = element.appendChild(document.createElement("iframe"));
  element.style.position = "relative";
  iframe.style.cssText = "display:block;width:100%;border:0";
  setTokens(element, theme);

  const show = (state: State, failure?: Failure): void => {
    const isReady = state === "ready";
    element.dataset["state"] = state;
    element.dataset["failure"] = failure ?? "";
    element.style.minHeight = isReady ? "0" : "8rem";
    iframe.inert = !isReady; // what is covered gets no focus
    void import("./parts/views.js").then(
      ({ showState }) => showState(element, options, state, failure, () => frame.reload()),
      onError,
    );
    onState?.(state, failure);
  };

  show("loading");
  const frame = bootstrapIframe({ ...options, iframe, onState: show });
  const { setTheme } = frame;
  return Object.assign(frame, {
    element,
    setTheme(tokens: ThemeTokens): void {
      setTokens(element, tokens);
      setTheme.call(frame, tokens);
    },
    unmount(): void {
      frame.close();
      element.remove();
    },
  });
}
