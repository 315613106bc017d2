import {
  callHandlerJson,
  callProxy,
  connect,
  HandlerError,
  type Host,
  HostLinkError,
} from "@alga/extension-iframe-sdk";
import { message } from "@alga/extension-iframe-sdk/protocol";
import { afterEach, describe, expect, it, vi } from "vitest";

import { FrameLink, type LinkOwner } from "../src/frame-link.js";
import type { ApiAnswer, LinkOptions, Session } from "../src/index.js";
import * as oldPages from "../src/parts/old-pages.js";
import { type FakeWindow, hostAndFrame } from "./windows.js";

const inAnHour = (): string => new Date(Date.now() + 3_600_000).toISOString();
const options = (more: Partial<LinkOptions> = {}): LinkOptions => ({
  session: () => Promise.resolve({ token: "secret-token", expires_at: inAnHour() }),
  callApi: () => Promise.reject(new Error("no calls expected")),
  ...more,
});

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
  vi.useRealTimers();
});

/** A promise that a test resolves. */
function later<Value>(): { promise: Promise<Value>; resolve: (value: Value) => void } {
  let resolve: (value: Value) => void = () => undefined;
  const promise = new Promise<Value>((given) => {
    resolve = given;
  });
  return { promise, resolve };
}

type Around = Partial<LinkOwner> & { proved?: boolean };

interface Link {
  readonly link: FrameLink;
  /** The host ends the link. */
  readonly close: () => void;
}

/** Listen to a frame as a frame's owner does. */
function link(
  windows: { host: FakeWindow; frame: FakeWindow },
  linkOptions: LinkOptions,
  { proved = false, ...around }: Around = {},
): Link {
  const ended = new AbortController();
  const nothing = (): void => undefined;
  const owner: LinkOwner = {
    options: linkOptions,
    iframe: { contentWindow: windows.frame.asWindow() },
    theme: linkOptions.theme ?? {},
    path: linkOptions.path ?? "/",
    onAlive: nothing,
    onSilent: nothing,
    onResize: (height) => linkOptions.onResize?.(height),
    onNavigate: (path) => linkOptions.onNavigate?.(path),
    draw: () => Promise.reject(new Error("nothing to draw expected")),
    oldPages: () => Promise.resolve(proved ? oldPages : undefined),
    ...around,
    onEnd: (why) => {
      ended.abort();
      around.onEnd?.(why);
    },
  };
  const close = (): void => ended.abort();
  closing.push(close);
  return { link: new FrameLink(owner, windows.host.asWindow(), ended.signal), close };
}

async function linked(
  more: Partial<LinkOptions> = {},
  around: Around = {},
): Promise<Link & { host: Host; frame: FakeWindow }> {
  const windows = hostAndFrame();
  const made = link(windows, options(more), around);
  return { host: await connect({ window: windows.frame.asWindow() }), frame: windows.frame, ...made };
}

describe("the handshake", () => {
  it("hands over session, path and theme", async () => {
    const { host, frame } = await linked({ path: "/notes/1", theme: { fg: "#111", "color-scheme": "dark" } });
    expect(host.session?.token).toBe("secret-token");
    expect(host.path).toBe("/notes/1");
    expect(frame.style.properties.get("--alga-fg")).toBe("#111");
    expect(frame.style.colorScheme).toBe("dark");
    expect(frame.listening).toBe(0);
  });

  it("puts nothing secret into what goes to the window", async () => {
    const windows = hostAndFrame();
    const seen: unknown[] = [];
    windows.frame.addEventListener("message", (event) => seen.push(event.data));
    link(windows, options({ path: "/private/1" }));
    await connect({ window: windows.frame.asWindow() });
    expect(seen).toHaveLength(1);
    expect(JSON.stringify(seen)).not.toMatch(/secret-token|private/);
  });

  it("is not opened by another window, another origin or another envelope", () => {
    const windows = hostAndFrame();
    const onAlive = vi.fn();
    link(windows, options(), { onAlive });
    const ready = message("ready", {});
    windows.host.deliver({ source: windows.host, origin: "null", data: ready });
    windows.host.deliver({ source: windows.frame, origin: "https://ui.example", data: ready });
    windows.host.deliver({ source: windows.frame, origin: "null", data: { type: "ready" } });
    windows.host.deliver({ source: windows.frame, origin: "null", data: message("resize", { height: 300 }) });
    expect(onAlive).not.toHaveBeenCalled();
    windows.host.deliver({ source: windows.frame, origin: "null", data: ready });
    expect(onAlive).toHaveBeenCalledOnce();
  });

  it("is not taken up by a frame from another window, another origin or without a port", async () => {
    const { host, frame } = hostAndFrame();
    const { port1, port2 } = new MessageChannel();
    closing.push(() => port1.close());
    const bootstrap = message("bootstrap", { theme_tokens: {}, navigation: { path: "/" } });
    const connecting = connect({ window: frame.asWindow(), hostOrigin: host.origin, timeoutMs: 50 });
    frame.deliver({ source: frame, origin: host.origin, data: bootstrap, ports: [port2] });
    frame.deliver({ source: host, origin: "https://evil.example", data: bootstrap, ports: [port2] });
    frame.deliver({ source: host, origin: host.origin, data: bootstrap });
    frame.deliver({ source: host, origin: host.origin, data: { ...bootstrap, alga: 1 }, ports: [port2] });
    await expect(connecting).rejects.toMatchObject({ code: "timeout" });
  });

  it("waits for the session, whatever else the host sends before", async () => {
    const fetched = later<Session>();
    const windows = hostAndFrame();
    const { link: made } = link(windows, options({ path: "/notes/1", session: () => fetched.promise }));
    const connecting = connect({ window: windows.frame.asWindow() });
    made.sendTheme({ primary: "red" });
    made.sendState();
    await new Promise((resolve) => setTimeout(resolve, 20));
    fetched.resolve({ token: "late", expires_at: inAnHour() });
    const host = await connecting;
    expect([host.session?.token, host.path]).toEqual(["late", "/notes/1"]);
  });

  it("fails at once outside a frame", async () => {
    const { host } = hostAndFrame();
    await expect(connect({ window: host.asWindow() })).rejects.toMatchObject({ code: "not_framed" });
  });

  it("is made once for a document, also by calls at the same time and after an error", async () => {
    const windows = hostAndFrame();
    const opened = vi.spyOn(windows.host, "postMessage");
    const frame = windows.frame.asWindow();
    await expect(connect({ window: frame, timeoutMs: 10 })).rejects.toMatchObject({ code: "timeout" });
    link(windows, options({ callApi: () => Promise.resolve({ status: 200, headers: {} }) }));
    const [first, second] = await Promise.all([connect({ window: frame }), connect({ window: frame })]);
    expect(second).toBe(first);
    expect(await connect({ window: frame })).toBe(first);
    expect(opened).toHaveBeenCalledTimes(2);
    await expect(first.call("/x")).resolves.toMatchObject({ status: 200 });
  });

  it("gives a reloaded frame a new port", async () => {
    const windows = hostAndFrame();
    link(windows, options({ callApi: () => Promise.resolve({ status: 200, headers: {} }) }));
    const first = await connect({ window: windows.frame.asWindow() });
    windows.frame.reload();
    const second = await connect({ window: windows.frame.asWindow() });
    await expect(second.call("/x")).resolves.toMatchObject({ status: 200 });
    await expect(first.call("/x", { timeoutMs: 30 })).rejects.toMatchObject({ code: "timeout" });
  });
});

describe("calls", () => {
  it("carry route, method and body there, and status, headers and body back", async () => {
    const { host } = await linked({
      callApi: ({ route, method, body }) =>
        Promise.resolve({
          status: 201,
          headers: { "content-type": "application/json" },
          body: new TextEncoder().encode(JSON.stringify({ route, method, body: new TextDecoder().decode(body) })),
        }),
    });
    const response = await host.call("/notes?x=1", { json: { title: "Grüße" } });
    expect(response).toMatchObject({ ok: true, status: 201, headers: { "content-type": "application/json" } });
    expect(response.json()).toEqual({ route: "/notes?x=1", method: "POST", body: '{"title":"Grüße"}' });
  });

  it("find their own answers when these come out of order", async () => {
    const { host } = await linked({
      callApi: async ({ route }) => {
        if (route === "/slow") await new Promise((done) => setTimeout(done, 20));
        return { status: 200, headers: {}, body: new TextEncoder().encode(route) };
      },
    });
    const [slow, fast] = await Promise.all([host.call("/slow"), host.call("/fast")]);
    expect([slow.text(), fast.text()]).toEqual(["/slow", "/fast"]);
  });

  it("that fail on the host's side tell the host why and the frame only that", async () => {
    const onError = vi.fn();
    const { host } = await linked({ callApi: () => Promise.reject(new Error("internal address")), onError });
    const failure = await host.call("/x").catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(HostLinkError);
    expect(failure).toMatchObject({ code: "bad_gateway" });
    expect(String(failure)).not.toContain("internal address");
    expect(onError).toHaveBeenCalledOnce();
  });

  it("that would leave the extension never reach the host's callback", async () => {
    const callApi = vi.fn(options().callApi);
    const { host } = await linked({ callApi });
    for (const route of ["/../other", "//evil.example", "/%2e%2e/x", "https://evil.example"]) {
      await expect(host.call(route, { timeoutMs: 15 })).rejects.toMatchObject({ code: "timeout" });
    }
    expect(callApi).not.toHaveBeenCalled();
  });

  it("are refused beyond sixteen at once", async () => {
    const answer: (() => void)[] = [];
    const { host } = await linked({
      callApi: () => new Promise((resolve) => answer.push(() => resolve({ status: 204, headers: {} }))),
    });
    const calls = Array.from({ length: 17 }, () => host.call("/x"));
    await expect(calls[16]).rejects.toMatchObject({ code: "too_many_calls" });
    for (const now of answer) now();
    await expect(Promise.all(calls.slice(0, 16))).resolves.toHaveLength(16);
  });
});

describe("headers of calls", () => {
  it("go there in lower case, and come back as far as a page may read them", async () => {
    const callApi = vi.fn(() =>
      Promise.resolve({
        status: 200,
        headers: { etag: '"1"', "x-ext-total": "7", "set-cookie": "a=b", server: "x", "x-amzn-trace-id": "y" },
      }),
    );
    const { host } = await linked({ callApi });
    const response = await host.call("/x", { headers: { "If-None-Match": '"1"' } });
    expect(callApi).toHaveBeenCalledWith(expect.objectContaining({ headers: { "if-none-match": '"1"' } }));
    expect(response.headers).toEqual({ etag: '"1"', "x-ext-total": "7" });
  });

  it.each(["authorization", "Cookie", "x-alga-tenant", "X-Forwarded-For", "host", "origin", "sec-fetch-site"])(
    "%s is refused",
    async (name) => {
      const callApi = vi.fn(options().callApi);
      const { host } = await linked({ callApi });
      await expect(host.call("/x", { headers: { [name]: "x" } })).rejects.toMatchObject({ code: "invalid_headers" });
      expect(callApi).not.toHaveBeenCalled();
    },
  );

  it("are at most 32", async () => {
    const { host } = await linked({ callApi: () => Promise.resolve({ status: 200, headers: {} }) });
    const many = (count: number) => Object.fromEntries(Array.from({ length: count }, (_, at) => [`x-${at}`, ""]));
    await expect(host.call("/x", { headers: many(32) })).resolves.toMatchObject({ status: 200 });
    await expect(host.call("/x", { headers: many(33) })).rejects.toMatchObject({ code: "invalid_headers" });
  });
});

describe("a call that is given up", () => {
  const hanging = (): { callApi: LinkOptions["callApi"]; signals: AbortSignal[] } => {
    const signals: AbortSignal[] = [];
    const callApi = vi.fn<LinkOptions["callApi"]>(
      ({ signal }) =>
        new Promise((_, reject) => {
          signals.push(signal);
          signal.addEventListener("abort", () => reject(signal.reason));
        }),
    );
    return { callApi, signals };
  };

  it("rejects with the signal's reason, and the host aborts its request and no other", async () => {
    const { callApi, signals } = hanging();
    const onError = vi.fn();
    const { host } = await linked({ callApi, onError });
    const ended = new AbortController();
    const given = host.call("/x", { signal: ended.signal });
    const kept = host.call("/y", { timeoutMs: 60_000 });
    await vi.waitFor(() => expect(signals).toHaveLength(2));
    ended.abort(new Error("enough"));
    await expect(given).rejects.toThrow("enough");
    await vi.waitFor(() => expect(signals.map((signal) => signal.aborted)).toEqual([true, false]));
    expect(onError).not.toHaveBeenCalled();
    kept.catch(() => undefined);
  });

  it("is not made when it was given up before", async () => {
    const { callApi } = hanging();
    const { host } = await linked({ callApi });
    await expect(host.call("/x", { signal: AbortSignal.abort(new Error("never")) })).rejects.toThrow("never");
    expect(callApi).not.toHaveBeenCalled();
  });

  it("is aborted when the link ends", async () => {
    const { callApi, signals } = hanging();
    const { host, close } = await linked({ callApi });
    host.call("/x").catch(() => undefined);
    await vi.waitFor(() => expect(signals).toHaveLength(1));
    close();
    expect(signals[0]?.aborted).toBe(true);
  });

  it("leaves connecting to those that still wait", async () => {
    const windows = hostAndFrame();
    const ended = new AbortController();
    const first = connect({ window: windows.frame.asWindow(), signal: ended.signal, timeoutMs: 500 });
    const second = connect({ window: windows.frame.asWindow() });
    ended.abort(new Error("enough"));
    await expect(first).rejects.toThrow("enough");
    link(windows, options());
    windows.host.deliver({ source: windows.frame, origin: "null", data: message("ready", {}) });
    await expect(second).resolves.toBeDefined();
  });
});

describe("handlers", () => {
  const answering = (status: number, text: string, headers: Record<string, string> = {}) =>
    linked({ callApi: () => Promise.resolve({ status, headers, body: new TextEncoder().encode(text) }) });

  it("are called with JSON and answer with JSON", async () => {
    const callApi = vi.fn<LinkOptions["callApi"]>(({ body }) =>
      Promise.resolve({ status: 200, headers: {}, body: body ?? new Uint8Array() }),
    );
    const { host } = await linked({ callApi });
    await expect(callHandlerJson(host, "/x", { body: { a: 1 } })).resolves.toEqual({ a: 1 });
    expect(callApi.mock.calls[0]?.[0]).toMatchObject({
      method: "POST",
      headers: { "content-type": "application/json" },
    });
    await expect(callHandlerJson(host, "/x")).resolves.toBeUndefined();
    expect(callApi.mock.calls[1]?.[0]).toMatchObject({ method: "GET", body: undefined });
  });

  it("are called with bytes", async () => {
    const { host } = await linked({
      callApi: ({ body }) => Promise.resolve({ status: 200, headers: {}, ...(body && { body }) }),
    });
    await expect(callProxy(host, "/x", new Uint8Array([1, 2]))).resolves.toEqual(new Uint8Array([1, 2]));
  });

  it("that refuse are an error with the problem document", async () => {
    const problem = { code: "not_installed", detail: "It is not installed.", status: 404, request_id: "r-1" };
    const { host } = await answering(404, JSON.stringify(problem), { "content-type": "application/problem+json" });
    const error = await callHandlerJson(host, "/x").catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(HandlerError);
    expect(error).toMatchObject({
      message: "It is not installed.",
      status: 404,
      code: "not_installed",
      requestId: "r-1",
      problem,
    });
  });

  it("that fail in another form are an error without one", async () => {
    const { host } = await answering(500, "boom", { "content-type": "text/plain" });
    await expect(callProxy(host, "/x")).rejects.toMatchObject({ status: 500, problem: undefined });
  });

  it("whose answer is not base64 are an error, and the next call works", async () => {
    const windows = hostAndFrame();
    const { port1, port2 } = new MessageChannel();
    closing.push(() => port1.close());
    const state = { theme_tokens: {}, navigation: { path: "/" } };
    const connecting = connect({ window: windows.frame.asWindow() });
    windows.frame.deliver({
      source: windows.host,
      origin: windows.host.origin,
      data: message("bootstrap", state),
      ports: [port2],
    });
    port1.postMessage(message("bootstrap", state));
    const host = await connecting;
    const bodies = ["*", "e30="];
    port1.onmessage = ({ data }) => {
      port1.postMessage(
        message("apiproxy_response", { status: 200, headers: {}, body: bodies.shift() }, data.request_id),
      );
    };
    await expect(host.call("/x")).rejects.toMatchObject({ code: "invalid_answer" });
    await expect(host.call("/x")).resolves.toMatchObject({ status: 200 });
  });

  it.each(["GET", "HEAD"] as const)("are not called with a body by %s", async (method) => {
    const { host } = await answering(200, "");
    await expect(host.call("/x", { method, body: new Uint8Array([1]) })).rejects.toMatchObject({
      code: "invalid_body",
    });
  });
});

describe("what the host draws", () => {
  const answers: Record<string, object> = { confirm: { confirmed: true }, download: { saved: false, error: "busy" } };

  it("is asked for, and the answer comes back", async () => {
    const asked: unknown[] = [];
    const draw: LinkOwner["draw"] = async ({ payload, type }) => {
      asked.push(payload);
      return answers[type] ?? {};
    };
    const { host } = await linked({}, { draw });
    host.notify("Saved", "success");
    await expect(host.confirm("Delete?", "Delete")).resolves.toBe(true);
    await expect(host.download("a.txt", new Uint8Array([1]))).rejects.toMatchObject({ code: "busy" });
    expect(asked).toEqual([
      { text: "Saved", tone: "success" },
      { text: "Delete?", confirm_label: "Delete" },
      { name: "a.txt", body: "AQ==" },
    ]);
  });

  it("waits for the code that draws, in the order in which the page asked", async () => {
    const loaded = later<void>();
    const asked: string[] = [];
    const draw: LinkOwner["draw"] = async ({ payload }) => {
      await loaded.promise;
      asked.push("text" in payload ? payload.text : payload.name);
      return { confirmed: true };
    };
    const { host } = await linked({ callApi: () => Promise.resolve({ status: 200, headers: {} }) }, { draw });
    host.notify("first");
    const answer = host.confirm("second");
    host.notify("third");
    await expect(host.call("/x")).resolves.toMatchObject({ status: 200 }); // other messages do not wait
    expect(asked).toEqual([]);
    loaded.resolve();
    await expect(answer).resolves.toBe(true);
    expect(asked).toEqual(["first", "second", "third"]);
  });

  it("that cannot be loaded is refused, and the host is told why", async () => {
    const onError = vi.fn();
    const missing = new TypeError("Failed to fetch dynamically imported module");
    const { host } = await linked({ onError }, { draw: () => Promise.reject(missing) });
    await expect(host.confirm("Delete?")).rejects.toMatchObject({ code: "not_shown" });
    await expect(host.download("a.txt", new Uint8Array([1]))).rejects.toMatchObject({ code: "not_shown" });
    host.notify("Saved");
    await vi.waitFor(() => expect(onError.mock.calls).toEqual([[missing], [missing], [missing]]));
  });

  it("is taken back by the page's signal, before it is drawn too", async () => {
    const signals: AbortSignal[] = [];
    const draw: LinkOwner["draw"] = (_, signal) => {
      signals.push(signal);
      return new Promise((resolve) => signal.addEventListener("abort", () => resolve({ confirmed: false })));
    };
    const { host } = await linked({}, { draw });
    const ended = new AbortController();
    const given = host.confirm("Delete?", "Delete", ended.signal);
    host.confirm("Another?").catch(() => undefined);
    await vi.waitFor(() => expect(signals).toHaveLength(2));
    ended.abort(new Error("enough"));
    await expect(given).rejects.toThrow("enough");
    await vi.waitFor(() => expect(signals.map((signal) => signal.aborted)).toEqual([true, false]));
  });

  it("is taken back when another document speaks in the frame", async () => {
    const signals: AbortSignal[] = [];
    const draw: LinkOwner["draw"] = (_, signal) => {
      signals.push(signal);
      return new Promise(() => undefined);
    };
    const windows = hostAndFrame();
    link(windows, options(), { draw });
    const first = await connect({ window: windows.frame.asWindow() });
    first.confirm("Delete?").catch(() => undefined);
    await vi.waitFor(() => expect(signals).toHaveLength(1));
    windows.frame.reload();
    await connect({ window: windows.frame.asWindow() });
    expect(signals[0]?.aborted).toBe(true);
  });

  it("waits for sixteen at most", async () => {
    const draw = vi.fn<LinkOwner["draw"]>(() => new Promise(() => undefined));
    const { host } = await linked({}, { draw });
    for (let count = 0; count < 16; count++) host.notify("x");
    await expect(host.confirm("Delete?")).rejects.toMatchObject({ code: "rate_limited" });
    expect(draw).toHaveBeenCalledTimes(16);
  });
});

describe("a flood", () => {
  it("ends the link after 200 messages within a second", async () => {
    const onResize = vi.fn();
    const onEnd = vi.fn();
    const { host } = await linked({ onResize }, { onEnd });
    for (let count = 0; count < 1_000; count++) host.resize(300);
    await vi.waitFor(() => expect(onEnd.mock.calls).toEqual([["flooded"]]));
    expect(onResize.mock.calls.length).toBeLessThanOrEqual(200);
    await expect(host.call("/x", { timeoutMs: 30 })).rejects.toMatchObject({ code: "timeout" });
  });

  it("of messages that are not valid ends it too, before anything is answered", () => {
    const windows = hostAndFrame();
    const onEnd = vi.fn();
    const onAlive = vi.fn();
    link(windows, options(), { onEnd, onAlive });
    for (let count = 0; count < 201; count++) windows.host.deliver({ source: windows.frame, origin: "null", data: {} });
    windows.host.deliver({ source: windows.frame, origin: "null", data: message("ready", {}) });
    expect(onEnd.mock.calls).toEqual([["flooded"]]);
    expect(onAlive).not.toHaveBeenCalled();
  });
});

describe("a page that was built for AlgaPSA's SDK", () => {
  const ready = { alga: true, version: "1", type: "ready" };

  function oldPage(around: Around, more: Partial<LinkOptions> = {}) {
    const windows = hostAndFrame();
    const heard: { type: string; request_id?: string; payload: Record<string, unknown> }[] = [];
    windows.frame.addEventListener("message", (event) => heard.push(event.data as (typeof heard)[number]));
    const made = link(windows, options({ path: "/private/1", theme: { primary: "blue" }, ...more }), around);
    const say = (data: unknown): void => windows.host.deliver({ source: windows.frame, origin: "null", data });
    return { heard, say, ...made };
  }

  it("gets the path and an empty session when frames are proved", async () => {
    const { heard, say } = oldPage({ proved: true });
    say(ready);
    await vi.waitFor(() => expect(heard).toHaveLength(1));
    expect(heard[0]).toMatchObject({
      type: "bootstrap",
      payload: {
        session: { token: "" },
        theme_tokens: { "--alga-primary": "blue" },
        navigation: { path: "/private/1" },
      },
    });
  });

  it("gets nothing when they are not, and the host is told", async () => {
    const onEnd = vi.fn();
    const { heard, say } = oldPage({ proved: false, onEnd });
    say(ready);
    await vi.waitFor(() => expect(onEnd.mock.calls).toEqual([["old_page_refused"]]));
    say(message("apiproxy", { route: "/x" }, "1"));
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(heard).toEqual([]);
  });

  it("gets a bootstrap message after it was loaded, and none when frames are not proved", async () => {
    const proved = oldPage({ proved: true });
    proved.link.loaded();
    await vi.waitFor(() => expect(proved.heard).toHaveLength(1));
    const other = oldPage({ proved: false });
    other.link.loaded();
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(other.heard).toEqual([]);
  });

  it("reaches its handler by messages to the window, with POST", async () => {
    const callApi = vi.fn<LinkOptions["callApi"]>(() =>
      Promise.resolve({ status: 200, headers: {}, body: new TextEncoder().encode("{}") }),
    );
    const { heard, say } = oldPage({ proved: true }, { callApi });
    say(ready);
    say(message("apiproxy", { route: "/x" }, "7"));
    await vi.waitFor(() =>
      expect(heard.at(-1)).toMatchObject({ type: "apiproxy_response", request_id: "7", payload: { body: "e30=" } }),
    );
    expect(callApi).toHaveBeenCalledWith(expect.objectContaining({ route: "/x", method: "POST" }));
  });

  it("is told of the theme's change as properties, and can resize and navigate", async () => {
    const [onResize, onNavigate] = [vi.fn(), vi.fn()];
    const { heard, link: made, say } = oldPage({ proved: true }, { onResize, onNavigate });
    say(ready);
    say(message("resize", { height: 9_000 }));
    say(message("navigate", { path: "/y" }));
    await vi.waitFor(() => expect([onResize.mock.calls, onNavigate.mock.calls]).toEqual([[[4000]], [["/y"]]]));
    made.sendTheme({ primary: "red" });
    expect(heard.at(-1)).toMatchObject({ type: "theme", payload: { "--alga-primary": "red" } });
  });

  it("cannot ask for what the host draws", async () => {
    const draw = vi.fn(() => Promise.resolve({ confirmed: true }));
    const { heard, say } = oldPage({ proved: true, draw });
    say(ready);
    say(message("confirm", { text: "Sure?", confirm_label: "Yes" }, "1"));
    await vi.waitFor(() => expect(heard).toHaveLength(1));
    expect(draw).not.toHaveBeenCalled();
  });

  it("does not get an answer that an earlier document of the frame asked for", async () => {
    let answer = (): void => undefined;
    const callApi = (): Promise<ApiAnswer> =>
      new Promise((resolve) => {
        answer = () => resolve({ status: 200, headers: {} });
      });
    const { heard, say } = oldPage({ proved: true }, { callApi });
    say(ready);
    say(message("apiproxy", { route: "/x" }, "1"));
    await vi.waitFor(() => expect(heard.length).toBeGreaterThan(0));
    say(ready);
    answer();
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(heard.filter(({ type }) => type === "apiproxy_response")).toEqual([]);
  });

  it.each([
    ["may have nothing to say", true, 0],
    ["is found to be silent where it is not served", false, 1],
  ])("%s", async (_, proved, silences) => {
    vi.useFakeTimers();
    const onSilent = vi.fn();
    const { say } = oldPage({ proved, onSilent });
    say(message("ready", {}));
    await vi.advanceTimersByTimeAsync(60_000);
    expect(onSilent).toHaveBeenCalledTimes(silences);
  });

  it("waits, in order, while it is decided whether it is served", async () => {
    const decided = later<typeof oldPages>();
    const callApi = vi.fn<LinkOptions["callApi"]>(() => Promise.resolve({ status: 200, headers: {} }));
    const { heard, say } = oldPage({ oldPages: () => decided.promise }, { callApi });
    say(ready);
    for (const route of ["/1", "/2", "/3"]) say(message("apiproxy", { route }, route));
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect([callApi.mock.calls.length, heard.length]).toEqual([0, 0]);
    decided.resolve(oldPages);
    await vi.waitFor(() => expect(heard.map(({ request_id: id }) => id)).toEqual([undefined, "/1", "/2", "/3"]));
  });

  it("cannot make the host keep more than two hundred messages meanwhile", () => {
    vi.useFakeTimers();
    const onEnd = vi.fn();
    const { say } = oldPage({ onEnd, oldPages: () => new Promise(() => undefined) });
    for (let second = 0; second < 2; second++) {
      for (let count = 0; count < 100; count++) say(message("navigate", { path: "/x" }));
      vi.advanceTimersByTime(1_000);
    }
    expect(onEnd).not.toHaveBeenCalled();
    say(message("navigate", { path: "/x" }));
    expect(onEnd.mock.calls).toEqual([["flooded"]]);
  });

  it("is not served any more when the link ended before it was decided", async () => {
    const decided = later<typeof oldPages>();
    const [callApi, onAlive] = [vi.fn(options().callApi), vi.fn()];
    const { heard, say, close } = oldPage({ onAlive, oldPages: () => decided.promise }, { callApi });
    say(ready);
    say(message("apiproxy", { route: "/x" }, "1"));
    close();
    decided.resolve(oldPages);
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect([callApi.mock.calls, heard, onAlive.mock.calls.length]).toEqual([[], [], 1]);
  });

  it("is refused when the code to speak with it cannot be loaded", async () => {
    const [onEnd, onError] = [vi.fn(), vi.fn()];
    const missing = new TypeError("Failed to fetch dynamically imported module");
    const { heard, say } = oldPage({ onEnd, oldPages: () => Promise.reject(missing) }, { onError });
    say(ready);
    await vi.waitFor(() => expect(onEnd.mock.calls).toEqual([["bridge_incomplete"]]));
    expect(onError).toHaveBeenCalledWith(missing);
    expect(heard).toEqual([]);
  });

  it("is not needed by a page of today's SDK, even if that is slow", async () => {
    const [onEnd, onError] = [vi.fn(), vi.fn()];
    const windows = hostAndFrame();
    const callApi = (): Promise<ApiAnswer> => Promise.resolve({ status: 200, headers: {} });
    const made = link(windows, options({ callApi, onError }), {
      onEnd,
      oldPages: () => Promise.reject(new Error("missing")),
    });
    made.link.loaded();
    await vi.waitFor(() => expect(onError).toHaveBeenCalledOnce());
    const host = await connect({ window: windows.frame.asWindow() });
    await expect(host.call("/x")).resolves.toMatchObject({ status: 200 });
    expect(onEnd).not.toHaveBeenCalled();
  });

  it("has its code loaded only when there may be one", async () => {
    const asked = vi.fn(() => Promise.resolve(oldPages));
    const windows = hostAndFrame();
    const { link: made } = link(windows, options(), { oldPages: asked });
    await connect({ window: windows.frame.asWindow() });
    made.loaded();
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(asked).not.toHaveBeenCalled();
  });

  it("is not what a page becomes that has used its port", async () => {
    const callApi = vi.fn(options().callApi);
    const windows = hostAndFrame();
    link(windows, options({ callApi }), { proved: true });
    const host = await connect({ window: windows.frame.asWindow() });
    await expect(host.call("/x")).rejects.toMatchObject({ code: "bad_gateway" });
    windows.host.deliver({ source: windows.frame, origin: "null", data: message("apiproxy", { route: "/y" }, "1") });
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(callApi).toHaveBeenCalledOnce();
  });
});

it("a hundred links, opened and closed, leave no listener", async () => {
  const windows = hostAndFrame();
  for (let count = 0; count < 100; count++) {
    windows.frame.reload();
    const made = link(windows, options());
    await connect({ window: windows.frame.asWindow() });
    made.close();
  }
  expect([windows.host.listening, windows.frame.listening]).toEqual([0, 0]);
});

describe("while linked", () => {
  it("heights are clamped and paths passed on", async () => {
    const onResize = vi.fn();
    const onNavigate = vi.fn();
    const { host } = await linked({ onResize, onNavigate });
    for (const height of [10, 640, 99_999]) host.resize(height);
    host.navigate("/notes/2");
    host.navigate("//evil.example");
    await vi.waitFor(() => expect(onResize.mock.calls).toEqual([[100], [640], [4000]]));
    expect(onNavigate.mock.calls).toEqual([["/notes/2"]]);
  });

  it("a theme changes by what is named", async () => {
    const { host, frame, link: made } = await linked({ theme: { fg: "#111", primary: "blue" } });
    const heard = vi.fn();
    host.onChange(() => heard(host.theme));
    made.sendTheme({ primary: "red" });
    await vi.waitFor(() => expect(heard).toHaveBeenCalledWith({ fg: "#111", primary: "red" }));
    expect(frame.style.properties.get("--alga-primary")).toBe("red");
  });

  it("the session is renewed before it ends", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "Date"] });
    const lifetime = 15 * 60_000;
    let count = 0;
    const session = (): Promise<Session> =>
      Promise.resolve({ token: `token-${++count}`, expires_at: new Date(Date.now() + lifetime).toISOString() });
    const { host } = await linked({ session });
    expect(host.session?.token).toBe("token-1");
    await vi.advanceTimersByTimeAsync(lifetime - 60_000);
    vi.useRealTimers();
    await vi.waitFor(() => expect(host.session?.token).toBe("token-2"));
  });

  it("a failed session is tried again, and the host told", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
    const onError = vi.fn();
    const session = vi
      .fn(() => Promise.resolve({ token: "secret-token", expires_at: inAnHour() }))
      .mockRejectedValueOnce(new Error("down"));
    const connecting = linked({ session, onError });
    await vi.advanceTimersByTimeAsync(5_000);
    vi.useRealTimers();
    expect((await connecting).host.session?.token).toBe("secret-token");
    expect(onError).toHaveBeenCalledOnce();
  });

  it("closing stops listening", async () => {
    const windows = hostAndFrame();
    const made = link(windows, options());
    await connect({ window: windows.frame.asWindow() });
    made.close();
    expect(windows.host.listening).toBe(0);
  });
});
