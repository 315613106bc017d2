/** What the host draws for a page. It is loaded when a page asks for the first time. */

import {
  type ConfirmPayload,
  type DownloadPayload,
  type FrameMessage,
  fromBase64,
  type NotifyPayload,
  type ThemeTokens,
} from "@alga/extension-iframe-sdk/protocol";

import { button, draw, TEXT } from "../draw.js";
import { rate } from "../rate.js";
import { plain, TEXTS, type Texts } from "../texts.js";
import { setTokens } from "../tokens.js";

const PANEL = `${TEXT}background:var(--alga-card-bg,Canvas);border:1px solid var(--alga-border,GrayText);border-radius:var(--alga-radius,.5rem);padding:1.25rem;max-width:min(30rem,90vw);overflow-wrap:anywhere;`;
const MAIN_BUTTON =
  "border-color:transparent;background:var(--alga-primary,CanvasText);color:var(--alga-primary-foreground,Canvas)";
const DOWNLOAD_LIMIT_BYTES = 10 * 1024 * 1024;
/** Questions of one frame in a minute, and its notices in ten seconds. */
const QUESTIONS = 10;
const NOTICES = 5;
const NOTICE_MS = 6_000;
/** A click that was aimed at the page must not meet a button that appears under it, in milliseconds. */
const UNCLICKABLE_MS = 500;

/** The frame for whose page something is drawn. */
export interface Asking {
  readonly document: Document;
  readonly options: { readonly title: string; readonly texts?: Partial<Texts> };
  readonly theme: ThemeTokens;
}

export type Asked = Extract<FrameMessage, { type: "notify" | "confirm" | "download" }>;

/** What is shown in a document: one question and one notice at a time, of whichever frame. */
interface Shown {
  question?: HTMLDialogElement;
  notice?: HTMLElement;
}

const shownIn = new WeakMap<Document, Shown>();
const promptsOf = new WeakMap<Asking, Prompts>();

/** Draw what a page asks for, and return the payload of the answer. The signal takes a question back. */
export async function drawFor(frame: Asking, { type, payload }: Asked, signal: AbortSignal): Promise<object> {
  const prompts = promptsOf.get(frame) ?? new Prompts(frame);
  promptsOf.set(frame, prompts);
  if (signal.aborted) return {};
  if (type === "notify") return prompts.notify(payload);
  return type === "confirm" ? prompts.confirm(payload, signal) : prompts.download(payload, signal);
}

/** Draws what one frame asks for in the host's page: as text, with the extension's name, and within limits. */
class Prompts {
  readonly #frame: Asking;
  readonly #title: string;
  readonly #texts: Texts;
  readonly #shown: Shown;
  readonly #isInRateOfQuestions = rate(QUESTIONS, 60_000);
  readonly #isInRateOfNotices = rate(NOTICES, 10_000);

  constructor(frame: Asking) {
    const { title, texts } = frame.options;
    this.#frame = frame;
    this.#title = plain(title, 80);
    this.#texts = { ...TEXTS, ...texts };
    this.#shown = shownIn.get(frame.document) ?? {};
    shownIn.set(frame.document, this.#shown);
  }

  /** Show a notice. It takes the place of the one that is shown; one that is too many is dropped. */
  notify({ text, tone }: NotifyPayload): object {
    if (!this.#isInRateOfNotices()) return {};
    const { document, theme } = this.#frame;
    this.#shown.notice?.remove();
    const edge = `border-left:4px solid var(--alga-${tone === "info" ? "primary" : tone},GrayText)`;
    const notice = draw(
      document,
      "div",
      `${PANEL}${edge};position:fixed;inset:auto 1rem 1rem auto;z-index:2147483647;display:flex;gap:1rem;align-items:start`,
      draw(document, "div", "white-space:pre-line", draw(document, "strong", "", this.#title), `\n${plain(text, 500)}`),
      button(document, this.#texts.dismiss, () => notice.remove()),
    );
    notice.setAttribute("role", tone === "danger" ? "alert" : "status");
    setTokens(notice, theme);
    this.#shown.notice = notice;
    document.body.append(notice);
    setTimeout(() => notice.remove(), NOTICE_MS);
    return {};
  }

  async confirm({ text, confirm_label: label }: ConfirmPayload, signal: AbortSignal): Promise<object> {
    const error = this.#refusal();
    if (error !== undefined) return { confirmed: false, error };
    return { confirmed: await this.#ask(this.#texts.asks, plain(text, 1000), plain(label, 40) || "OK", signal) };
  }

  /** Offer a file. It is saved only after the user's click in the dialog. */
  async download({ name, body }: DownloadPayload, signal: AbortSignal): Promise<object> {
    if (body.length > Math.ceil(DOWNLOAD_LIMIT_BYTES / 3) * 4) return { saved: false, error: "payload_too_large" };
    const error = this.#refusal();
    if (error !== undefined) return { saved: false, error };
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = fromBase64(body);
    } catch {
      return { saved: false, error: "invalid_body" };
    }
    const file = safeFileName(name);
    const size = `${file} (${Math.ceil(bytes.length / 1024)} KiB)`;
    if (!(await this.#ask(this.#texts.offers, size, this.#texts.save, signal))) return { saved: false };
    const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
    const link = draw(this.#frame.document, "a", "");
    link.href = url;
    link.download = file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser reads it after this task
    return { saved: true };
  }

  #refusal(): string | undefined {
    if (!this.#isInRateOfQuestions()) return "rate_limited";
    return this.#shown.question === undefined ? undefined : "busy";
  }

  #ask(sentence: string, text: string, action: string, signal: AbortSignal): Promise<boolean> {
    const { document, theme } = this.#frame;
    const shown = this.#shown;
    return new Promise((resolve) => {
      const end = (answer: string) => (): void => dialog.close(answer);
      const yes = button(document, action, end("yes"));
      yes.style.cssText += MAIN_BUTTON;
      const no = button(document, this.#texts.cancel, end(""));
      const heading = sentence.replace("{title}", () => this.#title);
      const dialog = draw(
        document,
        "dialog",
        PANEL,
        draw(document, "h2", "margin:0;font-size:1.1em", heading),
        draw(document, "p", "white-space:pre-line;max-height:40vh;overflow:auto", text),
        draw(document, "div", "display:flex;gap:.75rem;justify-content:end;flex-wrap:wrap", no, yes),
      );
      dialog.ariaLabel = heading;
      setTokens(dialog, theme);
      yes.disabled = true;
      setTimeout(() => {
        yes.disabled = false;
      }, UNCLICKABLE_MS);
      const takeBack = end("");
      signal.addEventListener("abort", takeBack);
      dialog.addEventListener("close", () => {
        signal.removeEventListener("abort", takeBack);
        dialog.remove();
        delete shown.question;
        resolve(dialog.returnValue === "yes");
      });
      shown.question = dialog;
      document.body.append(dialog);
      dialog.showModal();
    });
  }
}

/** Return a file name that is only a name on every operating system. */
export function safeFileName(name: string): string {
  const only = plain(name, 400)
    .replace(/[\\/:*?"<>|\n]/g, "_")
    .replace(/^[. ]+|[. ]+$/g, "");
  const [, stem = "", ending = ""] = /^(.*?)(\.[^.]{1,16})?$/.exec(only) ?? [];
  const short = `${stem.slice(0, 100)}${ending}`;
  return /^(con|prn|aux|nul|com\d|lpt\d)?(\..*)?$/i.test(short) ? `download${ending}` : short;
}
