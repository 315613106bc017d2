import type { ApiAnswer, ApiCall } from "./options.js";

export interface GatewayOptions {
  /** Origin of the platform's API, such as `https://api.example.com`; by default, the origin of this page. */
  readonly base?: string;
  readonly installId: string;
  /** Returns the token of the signed-in user. It never leaves this page. */
  readonly token: () => string | Promise<string>;
}

/** Return a callback for `callApi` that calls the platform's gateway with the user's token. */
export function gatewayCalls({ base = "", installId, token }: GatewayOptions): (call: ApiCall) => Promise<ApiAnswer> {
  const prefix = `${base.replace(/\/$/, "")}/api/ext/${encodeURIComponent(installId)}`;
  return async ({ route, method, headers, body, signal }) => {
    const response = await fetch(prefix + route, {
      method,
      headers: {
        ...(body && { "content-type": "application/json" }),
        ...headers,
        authorization: `Bearer ${await token()}`,
      },
      body: body ?? null,
      signal,
      credentials: "omit",
      redirect: "error",
    });
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      body: new Uint8Array(await response.arrayBuffer()),
    };
  };
}
