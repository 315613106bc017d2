import {
  type FrameMessage,
  type HostMessage,
  isFrameMessage,
  message,
  type ThemeTokens,
} from "@alga/extension-iframe-sdk/protocol";

import { heartbeat } from "./heartbeat.js";
import type { LinkOptions, Session } from "./options.js";
import type { Asked } from "./parts/prompts.js";
import { rate } from "./rate.js";

export const LOWEST_HEIGHT = 100;
export const GREATEST_HEIGHT = 4000;
/** One more message within a second ends the link. */
export const MESSAGES_A_SECOND = 200;
/** How many calls of one frame may be under way, and how much that the host draws for it; one more is refused. */
const UNDER_WAY_LIMIT = 16;
/** A page of today's SDK uses its port sooner, and then what old pages need is not loaded. In milliseconds. */
const OLD_AFTER_MS = 100;

/** For what goes to the window: old pages read the session's members. */
const EMPTY_SESSION: Session = { token: "", expires_at: "9999-12-31T23:59:59Z" };

type ApiProxyMessage = Extract<FrameMessage, { type: "apiproxy" }>;
type OldPages = Pick<typeof import("./parts/old-pages.js"), "fromOldPage" | "sendToOldPage">;

/** The frame that a link belongs to. */
export interface LinkOwner {
  readonly options: Pick<LinkOptions, "callApi" | "session" | "onError">;
  /** Its window is another one after the element was moved in the document. */
  readonly iframe: { readonly contentWindow: Pick<Window, "postMessage"> | null };
  readonly theme: ThemeTokens;
  readonly path: string;
  /** The page said something. */
  onAlive(): void;
  /** The page has not answered for a while. */
  onSilent(): void;
  /** The link must be ended: the page sent too many messages, or is an old page that is not or cannot be served here. */
  onEnd(why: "flooded" | "old_page_refused" | "bridge_incomplete"): void;
  onResize(height: number): void;
  onNavigate(path: string): void;
  /** Draw what the page asks for, and return the payload of the answer. The code for it is loaded when a page asks. */
  draw(asked: Asked, signal: AbortSignal): Promise<object>;
  /** How to speak with old pages; `undefined` if they are not served here. It is loaded when a page may be one. */
  oldPages(): Promise<OldPages | undefined>;
}

/**
 * The host's end of the link to one frame. Each document that is loaded into the frame gets a link of its own.
 *
 * 1. The frame's window sends `ready`. Messages from another window or origin, or without a complete envelope, are
 *    ignored. The origin is always opaque ("null").
 * 2. The host drops the link of the document before, and sends a first bootstrap message to the window. It transfers a
 *    port and contains no secrets, because an opaque origin cannot be named as the target of a message.
 * 3. All later messages go over the port, a bootstrap message with the path first.
 * 4. Only if `oldPages` resolves to how, messages to the window are answered too, by messages to the window, until the
 *    document has used its port.
 */
export class FrameLink {
  /**
   * How the present document speaks: over the port that it was given, or by messages to the window, as pages built for
   * AlgaPSA's SDK do. This is undecided until its first message after `ready`. One that was offered what old pages expect
   * may be such a page that has nothing to say.
   */
  mode: "none" | "undecided" | "offered" | "port" | "old" = "none";
  readonly #owner: LinkOwner;
  readonly #ended: AbortSignal;
  readonly #isInRate = rate(MESSAGES_A_SECOND, 1_000);
  /** What ends each call and each drawing that is under way, and the id of its message. */
  readonly #calls = new Map<AbortController, string | undefined>();
  readonly #drawings = new Map<AbortController, string | undefined>();
  /** How many messages wait until it is decided whether an old page is served. */
  #waiting = 0;
  /** Aborted when the present document is gone. */
  #gone = new AbortController();
  /** Sends to the present document in the way that it speaks. */
  #send: ((sent: HostMessage) => void) | undefined;
  /** `null` until the host has fetched the one that it gives. */
  #session: Session | null | undefined;

  /** Listen to the host's window until the signal is aborted. After that, messages of the frame are not answered. */
  constructor(owner: LinkOwner, host: Pick<Window, "addEventListener">, ended: AbortSignal) {
    this.#owner = owner;
    this.#ended = ended;
    host.addEventListener("message", this.#onWindowMessage, { signal: ended });
    ended.addEventListener("abort", () => this.#drop());
  }

  /** Tell the page which theme tokens have changed. */
  sendTheme(tokens: ThemeTokens): void {
    this.#send?.(message("theme", tokens));
  }

  /** Tell the page the present path, theme and session. Its first state has the session, if the host gives one. */
  sendState(send = this.#send, path = this.#owner.path, session = this.#session): void {
    if (session === null) return;
    send?.(
      message("bootstrap", { theme_tokens: this.#owner.theme, navigation: { path }, ...(session && { session }) }),
    );
  }

  /** A document was loaded. One that speaks over the port must answer; the others get a bootstrap message. */
  loaded(): void {
    if (this.mode === "port") this.#ping();
    else this.#offerOld();
  }

  readonly #onWindowMessage = (event: MessageEvent<unknown>): void => {
    const frame = this.#owner.iframe.contentWindow;
    if (frame === null || event.source !== frame || event.origin !== "null" || !this.#admits()) return;
    const { data } = event; // only now: reading it copies what was sent
    if (!isFrameMessage(data)) return;
    if (data.type === "ready") {
      this.#drop();
      this.mode = "undecided";
      this.#owner.onAlive();
      if (data.payload === undefined) void this.#tryOld(data);
      else this.#handOver(frame);
    } else if (this.mode !== "port") {
      void this.#tryOld(data);
    }
  };

  /** Give the document a port. */
  #handOver(frame: Pick<Window, "postMessage">): void {
    const { port1, port2 } = new MessageChannel();
    const { session } = this.#owner.options;
    const { signal } = this.#gone;
    this.#send = (sent) => port1.postMessage(sent);
    port1.onmessage = (event: MessageEvent<unknown>) => {
      // Messages that were under way arrive at a port after it was closed.
      if (signal.aborted || !this.#admits()) return;
      const { data } = event;
      if (!isFrameMessage(data)) return;
      this.mode = "port";
      heard();
      this.#owner.onAlive();
      this.#receive(data);
    };
    this.sendState((sent) => frame.postMessage(sent, "*", [port2]), "/", EMPTY_SESSION);
    this.#ping();
    const { heard, stop } = heartbeat(
      () => this.#ping(),
      () => this.mode !== "offered" && this.#owner.onSilent(),
    );
    signal.addEventListener("abort", () => {
      port1.close();
      stop();
    });
    if (session === undefined) {
      this.sendState();
    } else {
      this.#session = null;
      void this.#giveSession(session, signal);
    }
    this.#offerOld();
  }

  /** Give the document a session, and with it the state that it waits for. */
  async #giveSession(fetch: () => Promise<Session>, gone: AbortSignal): Promise<void> {
    const { onError } = this.#owner.options;
    try {
      const { keepSession } = await import("./parts/session-keeper.js");
      keepSession(fetch, gone, onError, (renewed) => {
        this.#session = renewed;
        this.sendState();
      });
    } catch (error) {
      onError?.(error);
      if (!gone.aborted) this.#owner.onEnd("bridge_incomplete");
    }
  }

  #drop(): void {
    this.#gone.abort();
    this.#gone = new AbortController();
    this.#abort();
    this.#send = this.#session = undefined;
    this.mode = "none";
  }

  /** Count a message, and end the link if it is one too many. */
  #admits(): boolean {
    const admitted = this.#isInRate();
    if (!admitted) this.#owner.onEnd("flooded");
    return admitted;
  }

  #receive(received: FrameMessage): void {
    const { type, payload, request_id: id } = received;
    if (type === "resize") {
      this.#owner.onResize(Math.min(Math.max(Math.ceil(payload.height), LOWEST_HEIGHT), GREATEST_HEIGHT));
    } else if (type === "navigate") {
      this.#owner.onNavigate(payload.path);
    } else if (type === "abort") {
      if (id !== undefined) this.#abort(id);
    } else if (type !== "pong" && type !== "ready") {
      void this.#answer(received);
    }
  }

  /** Answer a request, unless the page gives it up or its document is gone. */
  async #answer(asked: ApiProxyMessage | Asked): Promise<void> {
    const { type, request_id: id } = asked;
    const { callApi, onError } = this.#owner.options;
    const isCall = type === "apiproxy";
    const underWay = isCall ? this.#calls : this.#drawings;
    const ended = new AbortController();
    const { signal } = ended;
    const refused = (status: number, error: string): object =>
      isCall ? { status, headers: {}, error } : { confirmed: false, saved: false, error };
    let payload = refused(429, isCall ? "too_many_calls" : "rate_limited");
    if (underWay.set(ended, id).size <= UNDER_WAY_LIMIT) {
      try {
        payload = isCall
          ? await (await import("./parts/calls.js")).answerCall(asked.payload, callApi, signal)
          : await this.#owner.draw(asked, signal);
      } catch (error) {
        payload = refused(502, isCall ? "bad_gateway" : "not_shown");
        if (!signal.aborted) onError?.(error);
      }
    }
    underWay.delete(ended);
    if (type !== "notify" && !signal.aborted) this.#send?.(message(`${type}_response`, payload, id) as HostMessage);
  }

  /** Give up what this id asked for, or everything. */
  #abort(id?: string): void {
    for (const [ended, of] of [...this.#calls, ...this.#drawings]) {
      if (id === undefined || of === id) ended.abort();
    }
  }

  /** Old pages expect a bootstrap message after they are loaded. */
  #offerOld(): void {
    const { signal } = this.#gone;
    setTimeout(() => signal.aborted || this.mode === "port" || void this.#tryOld(), OLD_AFTER_MS);
  }

  /** Serve the document as an old page, and handle its message. Without one, it only gets a bootstrap message. */
  async #tryOld(said?: FrameMessage): Promise<void> {
    if (++this.#waiting > MESSAGES_A_SECOND) this.#owner.onEnd("flooded");
    let why: "old_page_refused" | "bridge_incomplete" = "old_page_refused";
    const old = await this.#owner.oldPages().catch((error: unknown) => {
      why = "bridge_incomplete";
      this.#owner.options.onError?.(error);
    });
    this.#waiting--;
    if (this.#ended.aborted || this.mode === "port") return;
    // To the window, whoever is in it.
    const send = (sent: HostMessage): void => old?.sendToOldPage(this.#owner.iframe.contentWindow, sent);
    if (said === undefined) {
      if (old && this.mode !== "old") this.mode = "offered";
      this.sendState(send, this.#owner.path, EMPTY_SESSION);
      return;
    }
    if (!old) return this.#owner.onEnd(why);
    if (this.mode !== "old") {
      this.#drop();
      this.mode = "old";
      this.#send = send;
      this.sendState();
    }
    this.#owner.onAlive();
    const meant = old.fromOldPage(said);
    if (meant !== undefined) this.#receive(meant);
  }

  #ping(): void {
    this.#send?.(message("ping", {}));
  }
}
