import {
  type BootstrapPayload,
  type FrameMessage,
  type HostMessage,
  isFrameMessage,
  message,
  type ThemeTokens,
} from "@alga/extension-iframe-sdk/protocol";

import { ApiProxy } from "./api-proxy.js";
import type { LinkOptions, Session } from "./options.js";
import { SessionKeeper } from "./session-keeper.js";

export const LOWEST_HEIGHT = 100;
export const GREATEST_HEIGHT = 4000;

/** The windows on both ends, and the origin that the frame's messages must have (`"null"` for an opaque origin). */
export interface LinkEnds {
  readonly host: Pick<Window, "addEventListener" | "removeEventListener">;
  readonly frame: Pick<Window, "postMessage">;
  readonly frameOrigin: string;
}

/**
 * The host's end of the link to one frame.
 *
 * 1. The frame's window sends `ready`. Messages from another window or origin, or without a complete envelope, are
 *    ignored.
 * 2. The host sends a first bootstrap message to the window. It transfers a port and contains no secrets, because an
 *    opaque origin cannot be named as the target of a message.
 * 3. All later messages go over the port, the session first. A frame that sends `ready` again (after a reload) gets a new
 *    port, and the old one is closed.
 */
export class FrameLink {
  readonly #ends: LinkEnds;
  readonly #options: LinkOptions;
  readonly #proxy: ApiProxy;
  #theme: ThemeTokens;
  #path: string;
  #port: MessagePort | undefined;
  #keeper: SessionKeeper | undefined;

  constructor(ends: LinkEnds, options: LinkOptions) {
    this.#ends = ends;
    this.#options = options;
    this.#proxy = new ApiProxy(options);
    this.#theme = options.theme ?? {};
    this.#path = options.path ?? "/";
    ends.host.addEventListener("message", this.#onWindowMessage);
  }

  /** Change theme tokens; tokens that are not named keep their values. */
  setTheme(tokens: ThemeTokens): void {
    this.#theme = { ...this.#theme, ...tokens };
    this.#send(message("theme", tokens));
  }

  /** End the link; later calls of the frame are not answered. */
  close(): void {
    this.#ends.host.removeEventListener("message", this.#onWindowMessage);
    this.#drop();
  }

  readonly #onWindowMessage = (event: MessageEvent<unknown>): void => {
    const { frame, frameOrigin } = this.#ends;
    if (event.source !== frame || event.origin !== frameOrigin) return;
    if (!isFrameMessage(event.data) || event.data.type !== "ready") return;
    this.#open();
  };

  #open(): void {
    this.#drop();
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = (event: MessageEvent<unknown>) => {
      if (isFrameMessage(event.data)) this.#receive(event.data, port1);
    };
    this.#port = port1;
    const { frame, frameOrigin } = this.#ends;
    const bare: BootstrapPayload = { theme_tokens: this.#theme, navigation: { path: "/" } };
    frame.postMessage(message("bootstrap", bare), frameOrigin === "null" ? "*" : frameOrigin, [port2]);
    this.#keeper = new SessionKeeper(
      this.#options.session,
      (session) => this.#send(message("bootstrap", this.#bootstrap(session))),
      (error) => this.#options.onError?.(error),
    );
    this.#keeper.start();
  }

  #drop(): void {
    this.#keeper?.stop();
    this.#port?.close();
    this.#port = undefined;
  }

  #receive(received: FrameMessage, port: MessagePort): void {
    switch (received.type) {
      case "resize":
        this.#options.onResize?.(Math.min(Math.max(received.payload.height, LOWEST_HEIGHT), GREATEST_HEIGHT));
        break;
      case "navigate":
        this.#path = received.payload.path;
        this.#options.onNavigate?.(this.#path);
        break;
      case "apiproxy":
        void this.#proxy.answer(received.payload).then((answer) => {
          port.postMessage(message("apiproxy_response", answer, received.request_id));
        });
        break;
      case "ready": // only valid as a message to the window
        break;
    }
  }

  #bootstrap(session: Session): BootstrapPayload {
    return { session, theme_tokens: this.#theme, navigation: { path: this.#path } };
  }

  #send(sent: HostMessage): void {
    this.#port?.postMessage(sent);
  }
}
