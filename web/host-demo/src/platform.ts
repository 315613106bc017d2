/** Calls the platform's API with the signed-in user's token. */

import { type ApiAnswer, type ApiCall, gatewayCalls } from "@alga/host-bridge";

/** A place in this application where an extension is shown (`GET /menu`). */
export interface MenuEntry {
  readonly install_id: string;
  readonly extension_id: string;
  readonly title: string;
  readonly label: string;
  readonly hook: string;
  readonly icon: string | null;
  /** Paths of the page that belong to this entry; it opens the first one. */
  readonly paths: readonly string[];
  readonly ui_url: string;
}

/** The platform refused a request; the message may be shown to the user. */
export class Refusal extends Error {
  readonly status: number;

  constructor(status: number, detail: string) {
    super(detail);
    this.status = status;
  }
}

export class Platform {
  readonly #token: string;

  constructor(token: string) {
    this.#token = token;
  }

  /** List where the tenant's extensions are shown to this user, in the order of the menu. @throws Refusal */
  async menu(): Promise<MenuEntry[]> {
    const response = await this.#fetch("GET", "/api/registry/v1/menu");
    if (!response.ok) throw await refusalOf(response);
    const document: { items: MenuEntry[] } = await response.json();
    return document.items;
  }

  /** Call an extension's endpoint through the gateway. */
  call(installId: string, call: ApiCall): Promise<ApiAnswer> {
    return gatewayCalls({ installId, token: () => this.#token })(call);
  }

  #fetch(method: string, path: string): Promise<Response> {
    return fetch(path, { method, headers: { authorization: `Bearer ${this.#token}` }, redirect: "error" });
  }
}

/**
 * Read why a request was refused. The platform sends a problem document with `detail`. API Gateway answers 413, 429 and
 * 503 itself, with `{"message": …}`; what stands in front of it may answer in any form.
 */
async function refusalOf(response: Response): Promise<Refusal> {
  const document: unknown = await response.json().catch(() => null);
  const { detail, message } = (document ?? {}) as { detail?: unknown; message?: unknown };
  const text = [detail, message].find((member) => typeof member === "string" && member !== "");
  return new Refusal(response.status, typeof text === "string" ? text : `The platform answered ${response.status}.`);
}
