import type { ApiResponse } from "./api-response.js";
import { type CallOptions, payloadOf, responseOf } from "./call.js";
import { followHeight } from "./document-height.js";
import { HostLinkError } from "./errors.js";
import { openPort, originOfHost } from "./handshake.js";
import { toBase64 } from "./protocol/base64.js";
import { isHostMessage } from "./protocol/guards.js";
import {
  type ApiProxyResponsePayload,
  type BootstrapPayload,
  type FrameMessage,
  message,
  type Session,
  type Tone,
} from "./protocol/messages.js";
import { setTokens, type ThemeTokens } from "./protocol/theme-tokens.js";
import { Requests } from "./requests.js";

export interface ConnectOptions {
  /** The only accepted host origin; by default, the origin of the page around this frame. */
  readonly hostOrigin?: string;
  /** How long to wait for the host application, in milliseconds; by default 10 seconds. */
  readonly timeoutMs?: number;
  /** Stops waiting for this caller; the connection is still made for others that wait. */
  readonly signal?: AbortSignal;
  /** Set theme tokens as custom properties of the document element; by default `true`. */
  readonly applyTheme?: boolean;
  /** The frame's window; for tests. */
  readonly window?: Window;
}

/** How long the host may take to ask its user, in milliseconds. */
const ASKING_MS = 10 * 60_000;

/** The link of each document, also while it is being made. */
const links = new WeakMap<Document, Promise<Host>>();

/**
 * Connect to the host application. A document has one link: further calls return the same host, and their options do not
 * count, except for `signal`. After an error, the next call tries again.
 *
 * @throws HostLinkError `not_framed` or `timeout`; the signal's reason
 */
export function connect(options: ConnectOptions = {}): Promise<Host> {
  const frame = options.window ?? window;
  let made = links.get(frame.document);
  if (made === undefined) {
    made = makeLink(frame, options);
    links.set(frame.document, made);
    made.catch(() => links.delete(frame.document));
  }
  return options.signal === undefined ? made : orAborted(made, options.signal);
}

function orAborted<Value>(work: Promise<Value>, signal: AbortSignal): Promise<Value> {
  return new Promise((resolve, reject) => {
    signal.throwIfAborted();
    const onAbort = (): void => reject(signal.reason);
    signal.addEventListener("abort", onAbort);
    work.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
  });
}

async function makeLink(frame: Window, options: ConnectOptions): Promise<Host> {
  const { timeoutMs = 10_000 } = options;
  const port = await openPort(frame, options.hostOrigin ?? originOfHost(frame), timeoutMs);
  return Host.over(port, frame, options.applyTheme !== false, timeoutMs);
}

/** The connected host application. */
export class Host {
  readonly #port: MessagePort;
  readonly #requests: Requests;
  readonly #listeners = new Set<() => void>();
  readonly #frame: Window;
  readonly #root: HTMLElement | undefined;
  #state: BootstrapPayload = { theme_tokens: {}, navigation: { path: "/" } };

  private constructor(port: MessagePort, frame: Window, themed: boolean) {
    this.#port = port;
    this.#requests = new Requests(port);
    this.#frame = frame;
    this.#root = themed ? frame.document.documentElement : undefined;
  }

  /** Wait for the bootstrap message on the port. @throws HostLinkError `timeout` */
  static over(port: MessagePort, frame: Window, themed: boolean, timeoutMs: number): Promise<Host> {
    const host = new Host(port, frame, themed);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        port.close();
        reject(new HostLinkError("timeout", `The host application did not answer within ${timeoutMs} ms.`));
      }, timeoutMs);
      port.onmessage = ({ data }: MessageEvent<unknown>) => {
        if (!isHostMessage(data)) return;
        if (data.type === "ping") {
          host.#send("pong", {});
        } else if (data.type === "theme") {
          host.#adopt({ ...host.#state, theme_tokens: { ...host.theme, ...data.payload } });
        } else if (data.type === "bootstrap") {
          host.#adopt(data.payload);
          clearTimeout(timer);
          resolve(host);
        } else {
          host.#requests.settle(data.request_id, data.payload);
        }
      };
    });
  }

  /** What the host application chose to give to the page; never a token of the platform. */
  get session(): Session | undefined {
    return this.#state.session;
  }

  /** The path inside the extension that the host shows in its address. */
  get path(): string {
    return this.#state.navigation.path;
  }

  /** The host's theme. The same object is returned until the theme changes. */
  get theme(): ThemeTokens {
    return this.#state.theme_tokens;
  }

  /**
   * Call one of the extension's own endpoints through the host.
   *
   * @param route path below the extension with its query, for example `/notes?limit=10`
   * @throws HostLinkError when the call was not made or not answered. An error status of the endpoint does not throw.
   */
  async call(route: string, options: CallOptions = {}): Promise<ApiResponse> {
    const { signal, timeoutMs = 30_000 } = options;
    const answer = await this.#requests.send("apiproxy", payloadOf(route, options), { signal, timeoutMs });
    return responseOf(answer as ApiProxyResponsePayload);
  }

  /** Ask the host to show another path of the extension in its address. */
  navigate(path: string): void {
    this.#send("navigate", { path });
  }

  /** Ask for a height in CSS pixels; the host limits it to 100 to 4000. */
  resize(height: number): void {
    this.#send("resize", { height });
  }

  /**
   * Keep the frame as high as the document: margins and overlays included, whatever changes it. Returns a function that
   * ends this.
   */
  followHeight(): () => void {
    return followHeight(this.#frame, (height) => this.resize(height));
  }

  /** Let the host show a message of at most 500 characters. It limits how many there are. */
  notify(text: string, tone: Tone = "info"): void {
    this.#send("notify", { text, tone });
  }

  /**
   * Let the host ask its user. Returns whether the user confirmed.
   *
   * @throws HostLinkError `busy` while another question is shown, `rate_limited`
   */
  async confirm(text: string, confirmLabel = "OK", signal?: AbortSignal): Promise<boolean> {
    const patience = { signal, timeoutMs: ASKING_MS };
    return this.#answerTo(this.#requests.send("confirm", { text, confirm_label: confirmLabel }, patience));
  }

  /**
   * Offer a file of at most 10 MiB to the user. Returns whether the user saved it.
   *
   * @throws HostLinkError `busy` while another question is shown, `rate_limited`, `payload_too_large`
   */
  async download(name: string, body: Uint8Array, signal?: AbortSignal): Promise<boolean> {
    const patience = { signal, timeoutMs: ASKING_MS };
    return this.#answerTo(this.#requests.send("download", { name, body: toBase64(body) }, patience));
  }

  /** Call `listener` after each change of theme, path or session. Returns a function that ends this. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async #answerTo(request: Promise<unknown>): Promise<boolean> {
    const { activeElement } = this.#frame.document;
    const { confirmed, saved, error } = (await request) as { confirmed?: boolean; saved?: boolean; error?: string };
    // The host's dialog took the focus; the browser gives it back to the frame only, not to what had it there.
    (activeElement as HTMLElement | null)?.focus?.();
    if (error !== undefined) throw new HostLinkError(error, `The host application did not ask its user: ${error}.`);
    return confirmed ?? saved ?? false;
  }

  #send<Type extends FrameMessage["type"]>(
    type: Type,
    payload: Extract<FrameMessage, { type: Type }>["payload"],
  ): void {
    this.#port.postMessage(message(type, payload));
  }

  #adopt(state: BootstrapPayload): void {
    const sameTheme = JSON.stringify(state.theme_tokens) === JSON.stringify(this.theme);
    this.#state = sameTheme ? { ...state, theme_tokens: this.theme } : state;
    if (!sameTheme && this.#root !== undefined) setTokens(this.#root, this.theme);
    for (const listener of this.#listeners) listener();
  }
}
