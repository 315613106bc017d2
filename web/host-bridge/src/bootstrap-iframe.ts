import type { ThemeTokens } from "@alga/extension-iframe-sdk/protocol";

import { FrameLink, type LinkOwner, LOWEST_HEIGHT } from "./frame-link.js";
import type { LinkOptions } from "./options.js";
import type { Asked, Asking } from "./parts/prompts.js";
import type { Texts } from "./texts.js";

/** A document has this long to speak, from when it was asked for and from when it was loaded, before the UI host is asked what it answers; in milliseconds. */
const SPEAK_WITHIN_MS = 1_500;

export type State = "loading" | "ready" | "failed" | "withdrawn";

/**
 * Why an extension is not shown.
 *
 * - `opaque_host`: this page has an opaque origin, to which no extension's page can be shown.
 * - `frame_blocked`: the content security policy of this page does not admit the UI origin.
 * - `unavailable`: the UI host answered with an error.
 * - `no_answer`: the page did not connect, or does not answer any more.
 * - `flooded`: the page sent more than 200 messages within a second.
 * - `old_page_refused`: the page was built for AlgaPSA's SDK, and `frame-src` is not proved, or `oldPages` is false.
 * - `bridge_incomplete`: a part of the bridge that this page needs could not be loaded; `onError` gets the reason.
 */
export type Failure =
  | "opaque_host"
  | "frame_blocked"
  | "unavailable"
  | "no_answer"
  | "flooded"
  | "old_page_refused"
  | "bridge_incomplete";

export interface BootstrapOptions extends LinkOptions {
  readonly iframe: HTMLIFrameElement;
  /** Address of the extension's page on the UI host: the install's `ui_url`. */
  readonly src: string;
  /** The extension's name, as the install has it. It stands above everything that the host shows for the page. */
  readonly title: string;
  /** The accessible name of the frame, such as the label of the menu entry; by default, `title`. */
  readonly label?: string;
  /** Called after each change of the state. */
  readonly onState?: (state: State, failure: Failure | undefined) => void;
  /** All origins that show extensions in this page; by default, that of `src`. */
  readonly uiOrigins?: readonly string[];
  /** Whether pages built for AlgaPSA's SDK are served; by default `true`. They get the query that they read. */
  readonly oldPages?: boolean;
  /** For old pages, which read them from their address. */
  readonly tenant?: string;
  readonly extensionId?: string;
  /** How long a page may take to connect, in milliseconds; by default 10 seconds. */
  readonly timeoutMs?: number;
  readonly texts?: Partial<Texts>;
}

/** An extension in a frame. */
export interface ExtensionFrame {
  readonly state: State;
  readonly failure: Failure | undefined;
  readonly iframe: HTMLIFrameElement;
  /** Change theme tokens; tokens that are not named keep their values. */
  setTheme(tokens: ThemeTokens): void;
  /** Tell the page that another path of the extension is shown in the address, for example after the Back button. */
  setPath(path: string): void;
  /** Load the page again. */
  reload(): void;
  /** Move the keyboard's focus into the page. */
  focus(): void;
  /** End the link. The frame stays where it is, and is empty. */
  close(): void;
}

/** Which of them an element shows now. */
const shownIn = new WeakMap<HTMLIFrameElement, Frame>();

/**
 * Show an extension in a frame of the host's own. It is sandboxed, and never has an origin. A frame has one link: calling
 * this again for the same element closes the link before.
 *
 * @throws TypeError when `src` is not an http or https address
 */
export function bootstrapIframe(options: BootstrapOptions): ExtensionFrame {
  return new Frame(options);
}

class Frame implements ExtensionFrame, LinkOwner, Asking {
  state: State = "loading";
  failure: Failure | undefined;
  readonly options: BootstrapOptions;
  readonly iframe: HTMLIFrameElement;
  readonly document: Document;
  theme: ThemeTokens;
  path: string;
  readonly #url: URL;
  readonly #uiOrigins: readonly string[];
  #link: FrameLink | undefined;
  /** Aborted when the page is not shown any more, and when the host loads it again. */
  #ended = new AbortController();
  /** Whether the document has spoken: since the host loaded it, and since the latest load. */
  #isAlive = false;
  #hasSpoken = false;
  #speaking: ReturnType<typeof setTimeout> | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;

  constructor(options: BootstrapOptions) {
    const { iframe, src, title, label = title, theme = {}, path = "/" } = options;
    this.options = options;
    this.iframe = iframe;
    this.document = iframe.ownerDocument;
    this.theme = theme;
    this.path = path;
    this.#url = new URL(src, this.document.baseURI);
    if (!/^https?:$/.test(this.#url.protocol)) throw new TypeError("An extension's page has an http or https address.");
    this.#uiOrigins = options.uiOrigins ?? [this.#url.origin];
    shownIn.get(iframe)?.close();
    shownIn.set(iframe, this);
    iframe.title = label;
    iframe.setAttribute("sandbox", "allow-scripts");
    iframe.setAttribute("allow", "");
    iframe.referrerPolicy = "origin"; // the page gets the host's origin, but not its path
    iframe.style.height ||= `${LOWEST_HEIGHT}px`;
    this.reload();
  }

  setTheme(tokens: ThemeTokens): void {
    this.theme = { ...this.theme, ...tokens };
    this.#link?.sendTheme(tokens);
  }

  setPath(path: string): void {
    this.path = path;
    this.#link?.sendState();
  }

  focus(): void {
    this.iframe.focus();
  }

  reload(): void {
    if (shownIn.get(this.iframe) !== this) return; // it was closed
    this.#end();
    const host = this.document.defaultView;
    if (host === null || host.origin === "null") {
      console.error("A page of opaque origin cannot show extensions.");
      this.#enter("failed", "opaque_host");
      return;
    }
    const { signal } = this.#ended;
    this.#link = new FrameLink(this, host, signal);
    this.iframe.addEventListener("load", this.#onLoad, { signal });
    this.document.addEventListener("securitypolicyviolation", this.#onViolation, { signal });
    this.#waitForAnswer();
    this.#inspectLater(); // not every browser tells that it loaded an answer that is not a page
    this.iframe.src = this.#address(host.origin);
    void checks().then(
      ({ warnUnlessProved }) => warnUnlessProved(this.document, this.#uiOrigins),
      this.options.onError,
    );
  }

  close(): void {
    if (shownIn.get(this.iframe) !== this) return;
    shownIn.delete(this.iframe);
    this.#end();
    this.#empty();
  }

  onAlive(): void {
    this.#stopWaiting();
    this.#isAlive = this.#hasSpoken = true;
    this.#enter("ready");
  }

  onSilent(): void {
    this.#enter("failed", "no_answer"); // it may still connect
  }

  onEnd(why: Failure): void {
    this.#stop("failed", why);
    void checks().then(({ explain }) => explain(why, this.options, this.#uiOrigins), this.options.onError);
  }

  onResize(height: number): void {
    this.iframe.style.height = `${height}px`;
    this.options.onResize?.(height);
  }

  onNavigate(path: string): void {
    this.path = path;
    this.options.onNavigate?.(path);
  }

  async draw(asked: Asked, signal: AbortSignal): Promise<object> {
    return (await import("./parts/prompts.js")).drawFor(this, asked, signal);
  }

  async oldPages(): Promise<typeof import("./parts/old-pages.js") | undefined> {
    if (this.options.oldPages === false) return undefined;
    const { admitsOnly } = await checks();
    return (await admitsOnly(this.document, this.#uiOrigins)) ? import("./parts/old-pages.js") : undefined;
  }

  #address(parentOrigin: string): string {
    const { oldPages, tenant, extensionId } = this.options;
    const url = new URL(this.#url);
    const query = oldPages === false ? {} : { parentOrigin, tenant, extensionId, path: this.path };
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    return url.href;
  }

  /** Links are bound to loads: a document must speak after it was loaded, or have said `ready` while it was. */
  readonly #onLoad = (): void => {
    this.#isAlive = this.#hasSpoken && this.#link?.mode !== "port";
    this.#hasSpoken = false;
    this.#link?.loaded();
    if (!this.#isAlive) this.#inspectLater();
  };

  #inspectLater(): void {
    clearTimeout(this.#speaking);
    this.#speaking = setTimeout(() => void this.#inspect(this.#ended.signal), SPEAK_WITHIN_MS);
  }

  /** Ask the UI host what it answers, for a document that does not speak. */
  async #inspect(signal: AbortSignal): Promise<void> {
    const status = await checks().then(
      ({ statusOf }) => statusOf(this.#url, signal),
      () => 0,
    );
    if (this.#isAlive || signal.aborted) return;
    if (status === 404 || status === 410) {
      this.#stop("withdrawn");
    } else if (status >= 400) {
      this.#stopWaiting();
      this.#enter("failed", "unavailable");
    } else if (this.#link?.mode !== "old") {
      this.#waitForAnswer();
    }
  }

  #waitForAnswer(): void {
    clearTimeout(this.#deadline);
    this.#enter("loading");
    this.#deadline = setTimeout(() => this.onSilent(), this.options.timeoutMs ?? 10_000);
  }

  #stopWaiting(): void {
    clearTimeout(this.#speaking);
    clearTimeout(this.#deadline);
  }

  readonly #onViolation = ({ blockedURI, disposition, effectiveDirective }: SecurityPolicyViolationEvent): void => {
    if (disposition !== "enforce" || effectiveDirective !== "frame-src") return;
    if (this.state === "loading" && blockedURI.startsWith(this.#url.origin)) this.#stop("failed", "frame_blocked");
  };

  #end(): void {
    this.#stopWaiting();
    this.#ended.abort();
    this.#ended = new AbortController();
    this.#isAlive = this.#hasSpoken = false;
  }

  /** Say that the page is not shown, and empty the frame. */
  #stop(state: State, failure?: Failure): void {
    this.#end();
    this.#empty();
    this.#enter(state, failure);
  }

  /** End the document in the frame, and let a move of the element not bring it back. */
  #empty(): void {
    this.iframe.contentWindow?.location.replace("about:blank");
    this.iframe.removeAttribute("src");
  }

  #enter(state: State, failure?: Failure): void {
    if (this.state === state && this.failure === failure) return;
    this.state = state;
    this.failure = failure;
    this.options.onState?.(state, failure);
  }
}

/** Not needed to show a page, so it does not delay that. */
const checks = () => import("./parts/checks.js");
