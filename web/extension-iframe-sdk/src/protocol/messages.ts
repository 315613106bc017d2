/** The messages between a host page and an extension's frame. */

/** The envelope of every message; a message without it is from another source and is ignored. */
export interface Envelope<Type extends string, Payload> {
  readonly alga: true;
  readonly version: "1";
  readonly type: Type;
  /** Joins an `apiproxy_response` to its `apiproxy`. */
  readonly request_id?: string;
  readonly payload: Payload;
}

export interface Session {
  readonly token: string;
  /** RFC 3339. */
  readonly expires_at: string;
}

/** CSS values by token name, for example `primary`. */
export type ThemeTokens = Readonly<Record<string, string>>;

export interface BootstrapPayload {
  /** Absent in the first bootstrap message, which transfers the port and must not contain secrets. */
  readonly session?: Session;
  readonly theme_tokens: ThemeTokens;
  readonly navigation: { readonly path: string };
}

export interface ApiProxyPayload {
  /** Path below the extension, with its query. */
  readonly route: string;
  readonly method?: string;
  /** Base64. */
  readonly body?: string;
}

export interface ApiProxyResponsePayload {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** Base64. */
  readonly body?: string;
  /** Code of the reason why the host did not make the call; absent when the extension answered. */
  readonly error?: string;
}

export type HostMessage =
  | Envelope<"bootstrap", BootstrapPayload>
  | Envelope<"theme", ThemeTokens>
  | Envelope<"apiproxy_response", ApiProxyResponsePayload>;

export type FrameMessage =
  | Envelope<"ready", Readonly<Record<string, never>>>
  | Envelope<"resize", { readonly height: number }>
  | Envelope<"navigate", { readonly path: string }>
  | Envelope<"apiproxy", ApiProxyPayload>;

/** Wrap a payload for sending. */
export function message<Type extends string, Payload>(
  type: Type,
  payload: Payload,
  requestId?: string,
): Envelope<Type, Payload> {
  const envelope = { alga: true, version: "1", type, payload } as const;
  return requestId === undefined ? envelope : { ...envelope, request_id: requestId };
}
