/** The messages between a host page and an extension's frame. `shapes.ts` has the same for the guards. */

import type { ThemeTokens } from "./theme-tokens.js";

/** The envelope of every message; a message without it is from another source and is ignored. */
export interface Envelope<Type extends string, Payload> {
  readonly alga: true;
  readonly version: "1";
  readonly type: Type;
  /** Joins an answer to its request. */
  readonly request_id?: string;
  readonly payload: Payload;
}

/** What the host chooses to give to the page. It is never a token of the platform. */
export interface Session {
  readonly token: string;
  /** RFC 3339. */
  readonly expires_at: string;
}

export interface BootstrapPayload {
  readonly session?: Session;
  readonly theme_tokens: ThemeTokens;
  readonly navigation: { readonly path: string };
}

export interface ApiProxyPayload {
  /** Path below the extension, with its query. */
  readonly route: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
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

export type Tone = "info" | "success" | "warning" | "danger";
export type NotifyPayload = { readonly text: string; readonly tone: Tone };
export type ConfirmPayload = { readonly text: string; readonly confirm_label: string };
/** `body` is base64. */
export type DownloadPayload = { readonly name: string; readonly body: string };

type Nothing = Readonly<Record<string, never>>;

export type HostMessage =
  | Envelope<"bootstrap", BootstrapPayload>
  | Envelope<"theme", ThemeTokens>
  | Envelope<"apiproxy_response", ApiProxyResponsePayload>
  | Envelope<"confirm_response", { readonly confirmed: boolean; readonly error?: string }>
  | Envelope<"download_response", { readonly saved: boolean; readonly error?: string }>
  | Envelope<"ping", Nothing>;

export type FrameMessage =
  | Envelope<"ready", Nothing | undefined>
  | Envelope<"resize", { readonly height: number }>
  | Envelope<"navigate", { readonly path: string }>
  | Envelope<"apiproxy", ApiProxyPayload>
  | Envelope<"abort", Nothing>
  | Envelope<"notify", NotifyPayload>
  | Envelope<"confirm", ConfirmPayload>
  | Envelope<"download", DownloadPayload>
  | Envelope<"pong", Nothing>;

/** Wrap a payload for sending. */
export function message<Type extends string, Payload>(
  type: Type,
  payload: Payload,
  requestId?: string,
): Envelope<Type, Payload> {
  const envelope = { alga: true, version: "1", type, payload } as const;
  return requestId === undefined ? envelope : { ...envelope, request_id: requestId };
}
