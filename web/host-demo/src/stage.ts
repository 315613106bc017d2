/** Shows one extension at a time, and lists the calls that were made for it. */

import { type ApiAnswer, type ApiCall, type MountedExtension, mountExtension } from "@alga/host-bridge";

import { fromTemplate, part } from "./page.js";
import type { MenuEntry, Platform } from "./platform.js";
import { currentTheme } from "./theme.js";

const SHOWN_CALLS = 30;

export class Stage {
  readonly #platform: Platform;
  #mounted: MountedExtension | undefined;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  show(entry: MenuEntry, path: string, onNavigate: (path: string) => void): void {
    this.clear();
    part("title").textContent = entry.label;
    this.#mounted = mountExtension({
      container: part("stage"),
      src: entry.ui_url,
      title: entry.title,
      label: entry.label,
      theme: currentTheme(),
      path,
      extensionId: entry.extension_id,
      callApi: (call) => this.#call(entry, call),
      onNavigate,
    });
  }

  clear(): void {
    this.#mounted?.unmount();
    this.#mounted = undefined;
    part("title").textContent = "";
    part("calls").replaceChildren();
    part("log").hidden = true;
  }

  themeChanged(): void {
    this.#mounted?.setTheme(currentTheme());
  }

  async #call(entry: MenuEntry, call: ApiCall): Promise<ApiAnswer> {
    const started = performance.now();
    let status: number | undefined;
    try {
      const answer = await this.#platform.call(entry.install_id, call);
      status = answer.status;
      return answer;
    } finally {
      if (!call.signal.aborted) this.#log(call, status, performance.now() - started);
    }
  }

  /** Add a line to the log. Without a status there was no answer. Bodies and headers are not shown: they may be secret. */
  #log(call: ApiCall, status: number | undefined, timeMs: number): void {
    const line = fromTemplate("call-line", {
      method: call.method,
      path: call.route,
      status: status === undefined ? "none" : String(status),
      time: String(Math.round(timeMs)),
    });
    line.classList.toggle("failed", status === undefined || status >= 400);
    part("calls").prepend(line);
    part("calls").children[SHOWN_CALLS]?.remove();
    part("log").hidden = false;
  }
}
