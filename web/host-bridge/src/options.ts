import type { Session, ThemeToken, ThemeTokens } from "@alga/extension-iframe-sdk/protocol";

/** A call that the frame asks for. The route is already checked: it stays below any prefix that is put before it. */
export interface ApiCall {
  readonly route: string;
  readonly method: string;
  /** Lower-case names. Headers that carry credentials, or say who calls, are refused before. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array<ArrayBuffer> | undefined;
  /** Aborted when the page gives the call up, and when the frame is reloaded or removed. */
  readonly signal: AbortSignal;
}

/** The answer of the host's callback to a call. */
export interface ApiAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
}

/** What a link to a frame needs from the host application. */
export interface LinkOptions {
  /** Makes a call for the frame with the host's credentials (`gatewayCalls`). If it rejects, the frame gets an error. */
  readonly callApi: (call: ApiCall) => Promise<ApiAnswer>;
  /**
   * Returns something that this host gives to the page, never a token of the platform. Called at the start, and again
   * before it expires. Without it, the page gets no session.
   */
  readonly session?: () => Promise<Session>;
  /** The frame asks to show another path of the extension in the address. */
  readonly onNavigate?: (path: string) => void;
  /** The frame asks for a height in CSS pixels; the value is already limited to 100 to 4000. */
  readonly onResize?: (height: number) => void;
  /** The host failed: there is no session, or a call rejected. The frame gets no details. */
  readonly onError?: (error: unknown) => void;
  readonly theme?: ThemeTokens;
  /** The path inside the extension that the address shows at the start; by default `/`. */
  readonly path?: string;
}

export type { Session, ThemeToken, ThemeTokens };
