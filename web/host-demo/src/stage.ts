/** Shows one extension at a time, and lists the calls that were made for it. */

import { type ApiAnswer, type ApiCall, type MountedExtension, mountExtension } from "@alga/host-bridge";

import { fromTemplate, part } from "./page.js";
import type { Install, Platform } from "./platform.js";
import { currentTheme } from "./theme.js";

const SHOWN_CALLS = 30;

export class Stage {
  readonly #platform: Platform;
  #mounted: MountedExtension | undefined;

  constructor(platform: Platform) {
    this.#platform = platform;
  }

  show(install: Install, path: string, onNavigate: (path: string) => void): void {
    this.clear();
    this.#mounted = mountExtension({
      container: part("stage"),
      src: install.ui_url ?? "",
      title: install.name,
      theme: currentTheme(),
      path,
      callApi: (call) => this.#call(install, call),
      onNavigate,
    });
  }

  clear(): void {
    this.#mounted?.unmount();
    this.#mounted = undefined;
    part("calls").replaceChildren();
  }

  themeChanged(): void {
    this.#mounted?.setTheme(currentTheme());
  }

  async #call(install: Install, call: ApiCall): Promise<ApiAnswer> {
    const started = performance.now();
    const answer = await this.#platform.call(install.install_id, call);
    const item = fromTemplate("call-item", {
      status: String(answer.status),
      route: `${call.method} ${call.route}`,
      time: `${Math.round(performance.now() - started)} ms`,
    });
    item.classList.toggle("failed", answer.status >= 400);
    part("calls").prepend(item);
    part("calls").children[SHOWN_CALLS]?.remove();
    return answer;
  }
}
