/** Calls the platform's API with the signed-in user's token. */

import { type ApiAnswer, type ApiCall, gatewayCalls } from "@alga/host-bridge";

/** The fields of an install that this application uses. */
export interface Install {
  readonly install_id: string;
  readonly name: string;
  readonly version: string;
  readonly ui_url: string | null;
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

  /** List the tenant's installs that have a page, by name. @throws Refusal */
  async installsWithPage(): Promise<Install[]> {
    const found: Install[] = [];
    let cursor: string | null = null;
    do {
      const query: string = cursor === null ? "" : `&cursor=${encodeURIComponent(cursor)}`;
      const response = await this.#fetch("GET", `/api/registry/v1/installs?page_size=100${query}`);
      if (!response.ok) throw await refusalOf(response);
      const document: { items: Install[]; next_cursor: string | null } = await response.json();
      found.push(...document.items.filter((install) => install.ui_url !== null));
      cursor = document.next_cursor;
    } while (cursor !== null);
    return found.sort((one, other) => one.name.localeCompare(other.name));
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
