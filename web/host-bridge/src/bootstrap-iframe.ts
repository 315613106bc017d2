import type { ThemeTokens } from "@alga/extension-iframe-sdk/protocol";

import { FrameLink, LOWEST_HEIGHT } from "./frame-link.js";
import { admitsOnly, wantedHeader } from "./frame-sources.js";
import type { LinkOptions } from "./options.js";
import { Prompts } from "./prompts.js";
import { TEXTS, type Texts } from "./texts.js";

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
 */
export type Failure = "opaque_host" | "frame_blocked" | "unavailable" | "no_answer" | "flooded" | "old_page_refused";

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

const frames = new WeakMap<HTMLIFrameElement, ExtensionFrame>();
const warned = new WeakSet<Document>();

/**
 * Show an extension in a frame of the host's own. It is sandboxed, and never has an origin. A frame has one link: calling
 * this again for the same element closes the link before.
 *
 * @throws TypeError when `src` is not an http or https address
 */
export function bootstrapIframe(options: BootstrapOptions): ExtensionFrame {
  frames.get(options.iframe)?.close();
  const made = new Frame(options);
  frames.set(options.iframe, made);
  return made;
}

class Frame implements ExtensionFrame {
  readonly #options: BootstrapOptions;
  readonly #iframe: HTMLIFrameElement;
  readonly #document: Document;
  readonly #url: URL;
  readonly #uiOrigins: readonly string[];
  #link: FrameLink | undefined;
  #theme: ThemeTokens;
  #path: string | undefined;
  #state: State = "loading";
  #failure: Failure | undefined;
  #loads = 0;
  #alive = false;
  #speaking: ReturnType<typeof setTimeout> | undefined;
  #deadline: ReturnType<typeof setTimeout> | undefined;

  constructor(options: BootstrapOptions) {
    const { iframe, src, title, label = title } = options;
    this.#options = options;
    this.#iframe = iframe;
    this.#document = iframe.ownerDocument;
    this.#url = new URL(src, this.#document.baseURI);
    if (!/^https?:$/.test(this.#url.protocol))
      throw new TypeError("The address of an extension's page is http or https.");
    this.#uiOrigins = options.uiOrigins ?? [this.#url.origin];
    this.#theme = options.theme ?? {};
    this.#path = options.path;
    iframe.title = label;
    iframe.setAttribute("sandbox", "allow-scripts");
    iframe.setAttribute("allow", "");
    iframe.referrerPolicy = "origin"; // the page gets the host's origin, but not its path
    iframe.style.height ||= `${LOWEST_HEIGHT}px`;
    this.reload();
  }

  get state(): State {
    return this.#state;
  }

  get failure(): Failure | undefined {
    return this.#failure;
  }

  setTheme(tokens: ThemeTokens): void {
    this.#theme = { ...this.#theme, ...tokens };
    this.#link?.setTheme(tokens);
  }

  setPath(path: string): void {
    this.#path = path;
    this.#link?.setPath(path);
  }

  focus(): void {
    this.#iframe.focus();
  }

  reload(): void {
    this.#end();
    const host = this.#document.defaultView;
    if (host === null || host.origin === "null") {
      console.error(
        "Extensions are not shown in a page of opaque origin, such as a sandboxed frame or a data: address.",
      );
      this.#enter("failed", "opaque_host");
      return;
    }
    this.#enter("loading");
    this.#link = this.#makeLink(host);
    this.#iframe.addEventListener("load", this.#onLoad);
    this.#document.addEventListener("securitypolicyviolation", this.#onViolation);
    this.#loads = 0;
    this.#waitForAnswer();
    this.#inspectLater(this.#link); // not every browser tells that it loaded an answer that is not a page
    this.#iframe.src = this.#address(host.origin);
    void this.#checkSources();
  }

  close(): void {
    this.#end();
    this.#empty();
    if (frames.get(this.#iframe) === this) frames.delete(this.#iframe);
  }

  #end(): void {
    clearTimeout(this.#speaking);
    clearTimeout(this.#deadline);
    this.#link?.close();
    this.#link = undefined;
    this.#alive = false;
    this.#iframe.removeEventListener("load", this.#onLoad);
    this.#document.removeEventListener("securitypolicyviolation", this.#onViolation);
  }

  #makeLink(host: Window): FrameLink {
    const { oldPages = true } = this.#options;
    const iframe = this.#iframe;
    const prompts = new Prompts(
      this.#document,
      this.#options.title,
      { ...TEXTS, ...this.#options.texts },
      () => this.#theme,
    );
    return new FrameLink(
      { host, frame: () => iframe.contentWindow },
      {
        ...this.#options,
        theme: this.#theme,
        path: this.#path ?? "/",
        onResize: (height) => {
          iframe.style.height = `${height}px`;
          this.#options.onResize?.(height);
        },
        onNavigate: (path) => {
          this.#path = path;
          this.#options.onNavigate?.(path);
        },
      },
      {
        onAlive: this.#onAlive,
        onSilent: () => this.#fail("no_answer"),
        onFlooded: () => this.#stop("flooded"),
        onOldPageRefused: () => {
          console.error(
            oldPages
              ? `"${this.#options.title}" was built for AlgaPSA's SDK. To show it, this page must send "${wantedHeader(this.#uiOrigins)}", and frame no other origin.`
              : `"${this.#options.title}" was built for AlgaPSA's SDK, and this page shows it with oldPages: false.`,
          );
          this.#stop("old_page_refused");
        },
      },
      prompts,
      async () => oldPages && (await admitsOnly(this.#document, this.#uiOrigins)),
    );
  }

  #address(parentOrigin: string): string {
    const { oldPages = true, tenant, extensionId } = this.#options;
    const url = new URL(this.#url);
    const query = oldPages ? { parentOrigin, tenant, extensionId, path: this.#path ?? "/" } : {};
    for (const [name, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(name, value);
    }
    return url.href;
  }

  readonly #onAlive = (): void => {
    this.#alive = true;
    clearTimeout(this.#speaking);
    clearTimeout(this.#deadline);
    this.#enter("ready");
  };

  /** Links are bound to loads: a document must speak after it was loaded, or have said `ready` while it was. */
  readonly #onLoad = (): void => {
    this.#loads++;
    const link = this.#link;
    if (link === undefined) return;
    if (this.#loads > 1 || link.mode === "port") this.#alive = false;
    link.loaded();
    if (!this.#alive) this.#inspectLater(link);
  };

  #inspectLater(link: FrameLink): void {
    clearTimeout(this.#speaking);
    this.#speaking = setTimeout(() => void this.#inspect(link), SPEAK_WITHIN_MS);
  }

  /** Ask the UI host what it answers, for a document that does not speak. */
  async #inspect(link: FrameLink): Promise<void> {
    const status = await statusOf(this.#url);
    if (this.#alive || this.#link !== link) return;
    if (status === 404 || status === 410) this.#stop("withdrawn");
    else if (status !== undefined && status >= 400) this.#fail("unavailable");
    else if (link.mode !== "old") this.#waitForAnswer();
  }

  #waitForAnswer(): void {
    clearTimeout(this.#deadline);
    this.#enter("loading");
    this.#deadline = setTimeout(() => this.#fail("no_answer"), this.#options.timeoutMs ?? 10_000);
  }

  readonly #onViolation = ({ blockedURI, disposition, effectiveDirective }: SecurityPolicyViolationEvent): void => {
    if (disposition !== "enforce" || effectiveDirective !== "frame-src") return;
    if (this.#state === "loading" && blockedURI.startsWith(this.#url.origin)) this.#stop("frame_blocked");
  };

  async #checkSources(): Promise<void> {
    if (warned.has(this.#document) || (await admitsOnly(this.#document, this.#uiOrigins))) return;
    if (warned.has(this.#document)) return;
    warned.add(this.#document);
    console.warn(
      `The frames of this page can go to any address, because its policy does not forbid it. Send "${wantedHeader(this.#uiOrigins)}".`,
    );
  }

  /** Say that the page is not shown now. It may still connect. */
  #fail(failure: Failure): void {
    clearTimeout(this.#deadline);
    this.#enter("failed", failure);
  }

  /** Say that the page is not shown, and empty the frame. */
  #stop(end: Failure | "withdrawn"): void {
    this.#end();
    this.#empty();
    if (end === "withdrawn") this.#enter("withdrawn");
    else this.#enter("failed", end);
  }

  /** End the document in the frame, and let a move of the element not bring it back. */
  #empty(): void {
    this.#iframe.contentWindow?.location.replace("about:blank");
    this.#iframe.removeAttribute("src");
  }

  #enter(state: State, failure?: Failure): void {
    if (this.#state === state && this.#failure === failure) return;
    this.#state = state;
    this.#failure = failure;
    this.#options.onState?.(state, failure);
  }
}

/** The status with which the UI host answers; `undefined` if this page may not ask it, or it cannot be reached. */
async function statusOf(url: URL): Promise<number | undefined> {
  try {
    return (await fetch(url, { method: "HEAD", credentials: "omit", cache: "no-store" })).status;
  } catch {
    return undefined;
  }
}
