import type { ApiAnswer, ApiCall } from "./options.js";

export interface GatewayOptions {
  /** Origin of the platform's API, such as `https://api.example.com`; by default, the origin of this page. */
  readonly base?: string;
  readonly installId: string;
  /** Returns the token of the signed-in user. It never leaves this page. */
  readonly token: () => string | Promise<string>;
}

/** Return a callback for `callApi` that calls the platform's gateway with the user's token. */
export function gatewayCalls(options: GatewayOptions): (call: ApiCall) => Promise<ApiAnswer> {
  return async (call) => (await import("./parts/calls.js")).callGateway(options, call);
}
