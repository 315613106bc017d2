import type { Session, ThemeTokens } from "@alga/extension-iframe-sdk/protocol";

/** A call the frame asks for. The route is checked: it stays below whatever prefix is put before it. */
export interface ApiCall {
  readonly route: string;
  readonly method: string;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
}

/** What the host's callback answers to a call. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** What a link to a frame needs of the host application. */
export interface LinkOptions {
  /**
   * A session token for this install. Asked for at the start and again before it expires.
   */
  readonly session: () => Promise<Session>;
  /** Make a call for the frame, with the host's own means; rejecting answers the frame with an error. */
  readonly callApi: (call: ApiCall) => Promise<ApiAnswer>;
  /** The frame asks that the address show another path of the extension. */
  readonly onNavigate?: (path: string) => void;
  /** The frame asks for a height, in CSS pixels, already clamped. */
  readonly onResize?: (height: number) => void;
  /** Something on the host's side failed: no session, or a call rejected. The frame is told no details. */
  readonly onError?: (error: unknown) => void;
  readonly theme?: ThemeTokens;
  /** The path inside the extension that the address shows at the start; `/` unless given. */
  readonly path?: string;
}

export type { Session, ThemeTokens };
