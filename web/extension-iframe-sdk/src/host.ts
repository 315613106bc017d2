import { ApiCalls, type CallOptions } from "./api-calls.js";
import type { ApiResponse } from "./api-response.js";
import { HostLinkError } from "./errors.js";
import { openPort, originOfHost } from "./handshake.js";
import { HeightFollower } from "./height-follower.js";
import { isHostMessage } from "./protocol/guards.js";
import {
  type BootstrapPayload,
  type HostMessage,
  message,
  type Session,
  type ThemeTokens,
} from "./protocol/messages.js";
import { applyTheme } from "./theme.js";

export interface ConnectOptions {
  /** The only accepted host origin; by default, the origin of the page around this frame. */
  readonly hostOrigin?: string;
  /** How long to wait for the host application, in milliseconds; by default 10 seconds. */
  readonly timeoutMs?: number;
  /** Set theme tokens as custom properties of the document element; by default `true`. */
  readonly applyTheme?: boolean;
  /** The frame's window; for tests. */
  readonly window?: Window;
}

/** The link of each document, also while it is being made. */
const links = new WeakMap<Document, Promise<Host>>();

/**
 * Connect to the host application. A document has one link: further calls return the same host, and their options do not
 * count. After an error, the next call tries again.
 *
 * @throws HostLinkError `not_framed` or `timeout`
 */
export function connect(options: ConnectOptions = {}): Promise<Host> {
  const frame = options.window ?? window;
  const present = links.get(frame.document);
  if (present !== undefined) return present;
  const made = makeLink(frame, options);
  links.set(frame.document, made);
  made.catch(() => links.delete(frame.document));
  return made;
}

async function makeLink(frame: Window, options: ConnectOptions): Promise<Host> {
  const port = await openPort(frame, options.hostOrigin ?? originOfHost(frame), options.timeoutMs ?? 10_000);
  return Host.over(port, frame, options.applyTheme !== false, options.timeoutMs ?? 10_000);
}

/** The connected host application. */
export class Host {
  readonly #port: MessagePort;
  readonly #calls: ApiCalls;
  readonly #themeListeners = new Set<(tokens: ThemeTokens) => void>();
  readonly #frame: Window;
  readonly #root: HTMLElement | undefined;
  #state: BootstrapPayload = { theme_tokens: {}, navigation: { path: "/" } };

  private constructor(port: MessagePort, frame: Window, themed: boolean) {
    this.#port = port;
    this.#calls = new ApiCalls(port);
    this.#frame = frame;
    this.#root = themed ? frame.document.documentElement : undefined;
  }

  /** Wait for the bootstrap message with the session on the port. @throws HostLinkError `timeout` */
  static over(port: MessagePort, frame: Window, themed: boolean, timeoutMs: number): Promise<Host> {
    const host = new Host(port, frame, themed);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        port.close();
        reject(new HostLinkError("timeout", `The host application sent no session within ${timeoutMs} ms.`));
      }, timeoutMs);
      port.onmessage = (event: MessageEvent<unknown>) => {
        if (!isHostMessage(event.data)) return;
        host.#receive(event.data);
        if (host.session === undefined) return;
        clearTimeout(timer);
        resolve(host);
      };
    });
  }

  /** The latest session; the host renews it before it expires. */
  get session(): Session | undefined {
    return this.#state.session;
  }

  /** The path inside the extension that the host shows in its address. */
  get path(): string {
    return this.#state.navigation.path;
  }

  get theme(): ThemeTokens {
    return this.#state.theme_tokens;
  }

  /**
   * Call one of the extension's own endpoints through the host.
   *
   * @param route path below the extension with its query, for example `/notes?limit=10`
   * @throws HostLinkError when the call was not made or not answered. An error status of the endpoint does not throw.
   */
  call(route: string, options: CallOptions = {}): Promise<ApiResponse> {
    return this.#calls.call(route, options);
  }

  /** Ask the host to show another path of the extension in its address. */
  navigate(path: string): void {
    this.#port.postMessage(message("navigate", { path }));
  }

  /** Ask for a height in CSS pixels; the host limits it to 100 to 4000. */
  resize(height: number): void {
    this.#port.postMessage(message("resize", { height }));
  }

  /**
   * Keep the frame as high as the document, margins included, whenever the size of an element or of the frame changes.
   * Returns a function that ends this.
   */
  followHeightOf(element: Element): () => void {
    const frame = this.#frame;
    const root = frame.document.documentElement;
    const follower = new HeightFollower();
    const follow = (): void => {
      const height = follower.next(Math.ceil(root.getBoundingClientRect().height), frame.innerHeight);
      if (height !== undefined) this.resize(height);
    };
    const observer = new ResizeObserver(follow);
    for (const observed of new Set([element, root])) observer.observe(observed);
    frame.addEventListener("resize", follow);
    return () => {
      observer.disconnect();
      frame.removeEventListener("resize", follow);
    };
  }

  /** Call `listener` after each change of the theme. Returns a function that ends this. */
  onTheme(listener: (tokens: ThemeTokens) => void): () => void {
    this.#themeListeners.add(listener);
    return () => this.#themeListeners.delete(listener);
  }

  #receive(received: HostMessage): void {
    if (received.type === "apiproxy_response") {
      this.#calls.settle(received.request_id, received.payload);
    } else if (received.type === "theme") {
      this.#adopt({ ...this.#state, theme_tokens: { ...this.theme, ...received.payload } });
    } else {
      this.#adopt(received.payload);
    }
  }

  #adopt(state: BootstrapPayload): void {
    const themeChanged = state.theme_tokens !== this.#state.theme_tokens;
    this.#state = state;
    if (!themeChanged) return;
    if (this.#root !== undefined) applyTheme(this.#root, this.theme);
    for (const listener of this.#themeListeners) listener(this.theme);
  }
}
