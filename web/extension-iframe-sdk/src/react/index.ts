/** React hooks of the SDK. React 18 or newer is the page's own. */

import { useCallback, useEffect, useRef, useState, useSyncExternalStore } from "react";

import {
  type ConnectOptions,
  callHandlerJson,
  connect,
  type HandlerCallOptions,
  type Host,
  type ThemeTokens,
} from "../index.js";

export interface HostState {
  /** The host application, once connected. */
  readonly host: Host | undefined;
  /** Why there is no connection. */
  readonly error: unknown;
}

/** Connect to the host application. All components of a page share one connection. */
export function useHost(options?: ConnectOptions): HostState {
  const [state, setState] = useState<HostState>({ host: undefined, error: undefined });
  const first = useRef(options); // options count only for the first connection of a page
  useEffect(() => {
    let mounted = true;
    connect(first.current).then(
      (host) => mounted && setState({ host, error: undefined }),
      (error: unknown) => mounted && setState({ host: undefined, error }),
    );
    return () => {
      mounted = false;
    };
  }, []);
  return state;
}

const NO_THEME: ThemeTokens = {};

/** The host's theme tokens; the component renders again when they change. */
export function useTheme(): ThemeTokens {
  const { host } = useHost();
  const subscribe = useCallback((changed: () => void) => host?.onChange(changed) ?? (() => undefined), [host]);
  const theme = (): ThemeTokens => host?.theme ?? NO_THEME;
  return useSyncExternalStore(subscribe, theme, theme);
}

export interface CallState<Answer> {
  readonly data: Answer | undefined;
  /** A `HandlerError` or `HostLinkError` of the last call. */
  readonly error: unknown;
  readonly loading: boolean;
  /** Make the call again; `data` stays until the new answer. */
  readonly reload: () => void;
}

/** What is known of a call: of another one, nothing is. */
interface Known<Answer> {
  readonly call?: string;
  readonly data?: Answer;
  readonly error?: unknown;
  readonly loading: boolean;
}

/**
 * Call a handler when the component is shown and when the route or the options change. The call is given up when the
 * component goes or another call takes its place; nothing of the old call is returned for the new one.
 *
 * @param route path below the extension with its query; `undefined` makes no call
 */
export function useCall<Answer = unknown>(
  route: string | undefined,
  options: Omit<HandlerCallOptions, "signal"> = {},
): CallState<Answer> {
  const { host, error: unconnected } = useHost();
  const [count, setCount] = useState(0);
  const [state, setState] = useState<Known<Answer>>({ loading: true });
  const call = JSON.stringify([route, options]); // an object that is written in place is another one at each rendering
  // `count` is only there to make the call again.
  useEffect(() => {
    if (host === undefined || route === undefined) return;
    const ended = new AbortController();
    const [, given] = JSON.parse(call) as [string, HandlerCallOptions];
    setState((before) => ({ ...(before.call === call && before), call, loading: true }));
    callHandlerJson<Answer>(host, route, { ...given, signal: ended.signal }).then(
      (data) => setState({ call, data, loading: false }),
      (error: unknown) => {
        if (!ended.signal.aborted) setState((before) => ({ ...before, error, loading: false }));
      },
    );
    return () => ended.abort();
  }, [host, route, call, count]);
  const reload = useCallback(() => setCount((before) => before + 1), []);
  const known: Known<Answer> = state.call === call ? state : { loading: true };
  return {
    data: known.data,
    error: unconnected ?? known.error,
    loading: route !== undefined && unconnected === undefined && known.loading,
    reload,
  };
}
