import {
  type BootstrapPayload,
  type FrameMessage,
  type HostMessage,
  isFrameMessage,
  message,
  type ThemeTokens,
} from "@alga/extension-iframe-sdk/protocol";

import { ApiProxy } from "./api-proxy.js";
import { Heartbeat } from "./heartbeat.js";
import { answerOf, callOf, propertiesOf } from "./old-pages.js";
import type { LinkOptions, Session } from "./options.js";
import type { Prompts } from "./prompts.js";
import { Rate } from "./rate.js";
import { SessionKeeper } from "./session-keeper.js";

export const LOWEST_HEIGHT = 100;
export const GREATEST_HEIGHT = 4000;
/** One more message within a second ends the link. */
export const MESSAGES_A_SECOND = 200;

/** The host's window, and the frame's present one; it is another one after the frame was moved in the document. */
export interface LinkEnds {
  readonly host: Pick<Window, "addEventListener" | "removeEventListener">;
  readonly frame: () => Pick<Window, "postMessage"> | null;
}

export interface LinkEvents {
  /** The page said something. */
  readonly onAlive: () => void;
  /** The page has not answered for a while. */
  readonly onSilent: () => void;
  /** The page sent too many messages; the link has ended. */
  readonly onFlooded: () => void;
  /** The page was built for AlgaPSA's SDK, and cannot be served here; the link has ended. */
  readonly onOldPageRefused: () => void;
}

/** What the host draws for the page. */
export type DrawnByHost = Pick<Prompts, "notify" | "confirm" | "download" | "close">;

/**
 * How the present document speaks: over the port that it was given, or by messages to the window, as pages built for
 * AlgaPSA's SDK do. This is undecided until its first message after `ready`.
 */
type Mode = "none" | "undecided" | "port" | "old";

/**
 * The host's end of the link to one frame. Each document that is loaded into the frame gets a link of its own.
 *
 * 1. The frame's window sends `ready`. Messages from another window or origin, or without a complete envelope, are
 *    ignored. The origin is always opaque ("null").
 * 2. The host drops the link of the document before, and sends a first bootstrap message to the window. It transfers a
 *    port and contains no secrets, because an opaque origin cannot be named as the target of a message.
 * 3. All later messages go over the port, a bootstrap message with the path first.
 * 4. Only if `provesFrames` resolves to true, messages to the window are answered too, by messages to the window, until
 *    the document has used its port.
 */
export class FrameLink {
  readonly #ends: LinkEnds;
  readonly #options: LinkOptions;
  readonly #events: LinkEvents;
  readonly #provesFrames: () => Promise<boolean>;
  readonly #prompts: DrawnByHost;
  readonly #proxy: ApiProxy;
  readonly #rate = new Rate(MESSAGES_A_SECOND, 1_000);
  #theme: ThemeTokens;
  #path: string;
  #session: Session | undefined;
  #mode: Mode = "none";
  /** Changes with each document, so that no answer reaches another document than the one that asked. */
  #document = {};
  /** The id of the latest question. */
  #asking: string | undefined;
  #port: MessagePort | undefined;
  #keeper: SessionKeeper | undefined;
  #heartbeat: Heartbeat | undefined;

  constructor(
    ends: LinkEnds,
    options: LinkOptions,
    events: LinkEvents,
    prompts: DrawnByHost,
    provesFrames: () => Promise<boolean>,
  ) {
    this.#ends = ends;
    this.#options = options;
    this.#events = events;
    this.#prompts = prompts;
    this.#provesFrames = provesFrames;
    this.#proxy = new ApiProxy(options);
    this.#theme = options.theme ?? {};
    this.#path = options.path ?? "/";
    ends.host.addEventListener("message", this.#onWindowMessage);
  }

  get mode(): Mode {
    return this.#mode;
  }

  /** Change theme tokens; tokens that are not named keep their values. */
  setTheme(tokens: ThemeTokens): void {
    this.#theme = { ...this.#theme, ...tokens };
    if (this.#mode === "old") this.#sendOld(message("theme", propertiesOf(tokens)));
    else this.#send(message("theme", tokens));
  }

  /** Tell the page that the host shows another path of the extension in its address. */
  setPath(path: string): void {
    this.#path = path;
    this.#bootstrap();
  }

  /** A document was loaded. One that speaks over the port must answer; the others get a bootstrap message. */
  loaded(): void {
    if (this.#mode === "port") this.#send(message("ping", {}));
    else void this.#offerOldBootstrap();
  }

  /** End the link; later messages of the frame are not answered. */
  close(): void {
    this.#ends.host.removeEventListener("message", this.#onWindowMessage);
    this.#drop();
    this.#prompts.close();
  }

  readonly #onWindowMessage = (event: MessageEvent<unknown>): void => {
    const frame = this.#ends.frame();
    if (frame === null || event.source !== frame || event.origin !== "null" || !this.#admits()) return;
    const { data } = event;
    if (!isFrameMessage(data)) return;
    if (data.type === "ready") this.#open(frame, data.payload === undefined);
    else if (this.#mode !== "port") void this.#receiveOld(data);
  };

  #open(frame: Pick<Window, "postMessage">, isOld: boolean): void {
    this.#drop();
    this.#mode = "undecided";
    this.#events.onAlive();
    if (isOld) {
      void this.#becomeOld();
      return;
    }
    const { port1, port2 } = new MessageChannel();
    this.#port = port1;
    port1.onmessage = ({ data }: MessageEvent<unknown>) => {
      // Messages that were under way arrive at a port after it was closed.
      if (this.#port !== port1 || !this.#admits() || !isFrameMessage(data)) return;
      this.#mode = "port";
      this.#heartbeat?.heard();
      this.#events.onAlive();
      this.#receive(data, (answer) => port1.postMessage(answer));
    };
    frame.postMessage(message("bootstrap", { ...this.#state("/"), session: EMPTY_SESSION }), "*", [port2]);
    this.#send(message("ping", {}));
    this.#heartbeat = new Heartbeat(
      () => this.#send(message("ping", {})),
      () => this.#events.onSilent(),
    );
    if (this.#options.session === undefined) {
      this.#bootstrap();
    } else {
      this.#keeper = new SessionKeeper(
        this.#options.session,
        (session) => {
          this.#session = session;
          this.#bootstrap();
        },
        (error) => this.#options.onError?.(error),
      );
      this.#keeper.start();
    }
    void this.#offerOldBootstrap();
  }

  #drop(): void {
    this.#keeper?.stop();
    this.#heartbeat?.stop();
    this.#proxy.abort();
    this.#port?.close();
    this.#port = undefined;
    this.#session = undefined;
    this.#document = {};
    this.#mode = "none";
  }

  /** Count a message, and end the link if it is one too many. */
  #admits(): boolean {
    if (this.#rate.admits()) return true;
    this.close();
    this.#events.onFlooded();
    return false;
  }

  #receive(received: FrameMessage, send: (answer: HostMessage) => void): void {
    const { request_id: id } = received;
    switch (received.type) {
      case "resize":
        this.#options.onResize?.(
          Math.min(Math.max(Math.ceil(received.payload.height), LOWEST_HEIGHT), GREATEST_HEIGHT),
        );
        break;
      case "navigate":
        this.#path = received.payload.path;
        this.#options.onNavigate?.(this.#path);
        break;
      case "apiproxy":
        void this.#proxy.answer(received.payload, id).then((answer) => send(message("apiproxy_response", answer, id)));
        break;
      case "abort":
        if (id === undefined) break;
        this.#proxy.abort(id);
        if (id === this.#asking) this.#prompts.close();
        break;
      case "notify":
        this.#prompts.notify(received.payload);
        break;
      case "confirm":
        this.#asking = id;
        void this.#prompts.confirm(received.payload).then((answer) => send(message("confirm_response", answer, id)));
        break;
      case "download":
        this.#asking = id;
        void this.#prompts.download(received.payload).then((answer) => send(message("download_response", answer, id)));
        break;
      default: // "pong" needs no answer; "ready" is only valid as a message to the window
    }
  }

  async #receiveOld(received: FrameMessage): Promise<void> {
    if (!(await this.#becomeOld())) return;
    this.#events.onAlive();
    if (received.type === "resize" || received.type === "navigate") {
      this.#receive(received, () => undefined);
    } else if (received.type === "apiproxy") {
      const asking = this.#document;
      const answer = await this.#proxy.answer(callOf(received.payload), received.request_id);
      if (this.#document === asking) this.#sendOld(message("apiproxy_response", answerOf(answer), received.request_id));
    }
  }

  /** Decide that the document speaks as old pages do. Returns false if it may not, or has used its port meanwhile. */
  async #becomeOld(): Promise<boolean> {
    if (this.#mode === "old") return true;
    const proved = await this.#provesFrames();
    if (this.mode === "port") return false; // read again: it may have changed meanwhile
    if (!proved) {
      this.close();
      this.#events.onOldPageRefused();
      return false;
    }
    if (this.mode !== "old") {
      this.#drop();
      this.#mode = "old";
      this.#bootstrap();
    }
    return true;
  }

  /** Old pages expect a bootstrap message after they are loaded. It may hold the path only if frames are proved. */
  async #offerOldBootstrap(): Promise<void> {
    if ((await this.#provesFrames()) && this.#mode !== "port") this.#sendOld(message("bootstrap", this.#oldState()));
  }

  #bootstrap(): void {
    if (this.#mode === "old") {
      this.#sendOld(message("bootstrap", this.#oldState()));
    } else {
      const session = this.#session;
      this.#send(message("bootstrap", { ...this.#state(this.#path), ...(session && { session }) }));
    }
  }

  #state(path: string): BootstrapPayload {
    return { theme_tokens: this.#theme, navigation: { path } };
  }

  #oldState(): unknown {
    return { ...this.#state(this.#path), session: EMPTY_SESSION, theme_tokens: propertiesOf(this.#theme) };
  }

  #send(sent: HostMessage): void {
    this.#port?.postMessage(sent);
  }

  /** Send to the window, whoever is in it: only after `provesFrames`. */
  #sendOld(sent: unknown): void {
    this.#ends.frame()?.postMessage(sent, "*");
  }
}

/** Old pages read the session's members, so it is there. Its end is in the year 9999. */
const EMPTY_SESSION: Session = { token: "", expires_at: "9999-12-31T23:59:59Z" };
