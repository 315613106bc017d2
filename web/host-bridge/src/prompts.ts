import {
  type ConfirmPayload,
  type DownloadPayload,
  fromBase64,
  type NotifyPayload,
  setTokens,
  type ThemeTokens,
} from "@alga/extension-iframe-sdk/protocol";

import { button, draw, MAIN_BUTTON, PANEL, PLAIN_BUTTON } from "./draw.js";
import { Rate } from "./rate.js";
import { plain, safeFileName, type Texts } from "./texts.js";

const DOWNLOAD_LIMIT_BYTES = 10 * 1024 * 1024;
/** Questions of one frame in a minute, and its notices in ten seconds. */
const QUESTIONS = 10;
const NOTICES = 5;
const NOTICE_MS = 6_000;
/** A click that was aimed at the page must not meet a button that appears under it, in milliseconds. */
const UNCLICKABLE_MS = 500;

/** What is shown in a document: one question and one notice at a time, of whichever frame. */
interface Shown {
  question?: HTMLDialogElement;
  notice?: HTMLElement;
}

const shown = new WeakMap<Document, Shown>();

/** Draws what one frame asks for in the host's page: as text, with the extension's name, and within limits. */
export class Prompts {
  readonly #document: Document;
  readonly #title: string;
  readonly #texts: Texts;
  readonly #theme: () => ThemeTokens;
  readonly #questions = new Rate(QUESTIONS, 60_000);
  readonly #notices = new Rate(NOTICES, 10_000);
  #question: HTMLDialogElement | undefined;

  constructor(document: Document, title: string, texts: Texts, theme: () => ThemeTokens) {
    this.#document = document;
    this.#title = plain(title, 80);
    this.#texts = texts;
    this.#theme = theme;
  }

  /** Show a notice. It takes the place of the one that is shown; one that is too many is dropped. */
  notify({ text, tone }: NotifyPayload): void {
    if (!this.#notices.admits()) return;
    const here = this.#shown();
    here.notice?.remove();
    const document = this.#document;
    const edge = `border-left:4px solid var(--alga-${tone === "info" ? "primary" : tone},GrayText)`;
    const notice = draw(
      document,
      "div",
      `${PANEL};${edge};position:fixed;inset:auto 1rem 1rem auto;z-index:2147483647;display:flex;gap:1rem;align-items:start`,
      draw(document, "div", "white-space:pre-line", draw(document, "strong", "", this.#title), `\n${plain(text, 500)}`),
      button(document, PLAIN_BUTTON, this.#texts.dismiss, () => notice.remove()),
    );
    notice.setAttribute("role", tone === "danger" ? "alert" : "status");
    setTokens(notice, this.#theme());
    here.notice = notice;
    document.body.append(notice);
    setTimeout(() => notice.remove(), NOTICE_MS);
  }

  async confirm({ text, confirm_label: label }: ConfirmPayload): Promise<{ confirmed: boolean; error?: string }> {
    const refused = this.#refusal();
    if (refused !== undefined) return { confirmed: false, error: refused };
    return { confirmed: await this.#ask(this.#texts.asks, plain(text, 1000), plain(label, 40) || "OK") };
  }

  /** Offer a file. It is saved only after the user's click in the dialog. */
  async download({ name, body }: DownloadPayload): Promise<{ saved: boolean; error?: string }> {
    if (body.length > Math.ceil(DOWNLOAD_LIMIT_BYTES / 3) * 4) return { saved: false, error: "payload_too_large" };
    const refused = this.#refusal();
    if (refused !== undefined) return { saved: false, error: refused };
    let bytes: Uint8Array<ArrayBuffer>;
    try {
      bytes = fromBase64(body);
    } catch {
      return { saved: false, error: "invalid_body" };
    }
    const file = safeFileName(name);
    const size = `${file} (${Math.ceil(bytes.length / 1024)} KiB)`;
    if (!(await this.#ask(this.#texts.offers, size, this.#texts.save))) return { saved: false };
    const url = URL.createObjectURL(new Blob([bytes], { type: "application/octet-stream" }));
    const link = draw(this.#document, "a", "");
    link.href = url;
    link.download = file;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 60_000); // the browser reads it after this task
    return { saved: true };
  }

  /** Take back the frame's question. */
  close(): void {
    this.#question?.close();
  }

  #refusal(): string | undefined {
    if (!this.#questions.admits()) return "rate_limited";
    return this.#shown().question === undefined ? undefined : "busy";
  }

  #ask(heading: string, text: string, action: string): Promise<boolean> {
    const document = this.#document;
    const here = this.#shown();
    return new Promise((resolve) => {
      const end = (answer: string) => (): void => dialog.close(answer);
      const yes = button(document, MAIN_BUTTON, action, end("yes"));
      const no = button(document, PLAIN_BUTTON, this.#texts.cancel, end(""));
      const dialog = draw(
        document,
        "dialog",
        PANEL,
        draw(document, "h2", "margin:0;font-size:1.1em", heading.replace("{title}", this.#title)),
        draw(document, "p", "white-space:pre-line;max-height:40vh;overflow:auto", text),
        draw(document, "div", "display:flex;gap:.75rem;justify-content:end;flex-wrap:wrap", no, yes),
      );
      dialog.ariaLabel = heading.replace("{title}", this.#title);
      setTokens(dialog, this.#theme());
      yes.disabled = true;
      setTimeout(() => {
        yes.disabled = false;
      }, UNCLICKABLE_MS);
      dialog.addEventListener("close", () => {
        dialog.remove();
        delete here.question;
        this.#question = undefined;
        resolve(dialog.returnValue === "yes");
      });
      here.question = dialog;
      this.#question = dialog;
      document.body.append(dialog);
      dialog.showModal();
    });
  }

  #shown(): Shown {
    const here = shown.get(this.#document) ?? {};
    shown.set(this.#document, here);
    return here;
  }
}
