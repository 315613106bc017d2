import { connect, type Host, HostLinkError } from "@alga/extension-iframe-sdk";
import { message } from "@alga/extension-iframe-sdk/protocol";
import { afterEach, describe, expect, it, vi } from "vitest";

import { FrameLink, type LinkOptions, type Session } from "../src/index.js";
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

function link(
  windows: { host: FakeWindow; frame: FakeWindow },
  linkOptions: LinkOptions,
  frameOrigin = "null",
): FrameLink {
  const ends = { host: windows.host.asWindow(), frame: windows.frame.asWindow(), frameOrigin };
  const made = new FrameLink(ends, linkOptions);
  closing.push(() => made.close());
  return made;
}

async function linked(more: Partial<LinkOptions> = {}): Promise<{ host: Host; frame: FakeWindow; link: FrameLink }> {
  const windows = hostAndFrame();
  const made = link(windows, options(more));
  return { host: await connect({ window: windows.frame.asWindow() }), frame: windows.frame, link: made };
}

describe("the handshake", () => {
  it("hands over session, path and theme", async () => {
    const { host, frame } = await linked({ path: "/notes/1", theme: { "color-text": "#111", "color-scheme": "dark" } });
    expect(host.session?.token).toBe("secret-token");
    expect(host.path).toBe("/notes/1");
    expect(frame.style.properties.get("--alga-color-text")).toBe("#111");
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

  it("speaks to an absolute origin exactly", async () => {
    const origin = "https://ui.example";
    const windows = hostAndFrame(origin);
    link(windows, options(), origin);
    await expect(connect({ window: windows.frame.asWindow() })).resolves.toBeDefined();
    const elsewhere = hostAndFrame("https://evil.example");
    link(elsewhere, options(), origin);
    await expect(connect({ window: elsewhere.frame.asWindow(), timeoutMs: 30 })).rejects.toMatchObject({
      code: "timeout",
    });
  });

  it("is not opened by another window, another origin or another envelope", () => {
    const windows = hostAndFrame();
    const session = vi.fn<() => Promise<Session>>(options().session);
    link(windows, options({ session }));
    const ready = message("ready", {});
    windows.host.deliver({ source: windows.host, origin: "null", data: ready });
    windows.host.deliver({ source: windows.frame, origin: "https://ui.example", data: ready });
    windows.host.deliver({ source: windows.frame, origin: "null", data: { type: "ready" } });
    windows.host.deliver({ source: windows.frame, origin: "null", data: message("resize", { height: 300 }) });
    expect(session).not.toHaveBeenCalled();
    windows.host.deliver({ source: windows.frame, origin: "null", data: ready });
    expect(session).toHaveBeenCalledOnce();
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

  it("a page with margins gets the height of its document, not of its element, and stops when asked to", async () => {
    const observed: unknown[] = [];
    let report = (): void => undefined;
    vi.stubGlobal(
      "ResizeObserver",
      class {
        constructor(callback: () => void) {
          report = callback;
        }
        observe(element: unknown): void {
          observed.push(element);
        }
        disconnect(): void {
          report = () => undefined;
        }
      },
    );
    const onResize = vi.fn<(height: number) => void>();
    const { host, frame } = await linked({ onResize });
    const main = { getBoundingClientRect: () => ({ height: 400 }) };
    // 400 pixels of content, 16 above and 16.5 below.
    const page = Object.assign(frame, { innerHeight: 150 });
    Object.assign(frame.document.documentElement, { getBoundingClientRect: () => ({ height: 432.5 }) });

    const stop = host.followHeightOf(main as unknown as Element);
    report();
    await vi.waitFor(() => expect(onResize.mock.calls).toEqual([[433]]));
    expect(observed).toEqual([main, frame.document.documentElement]);
    page.innerHeight = 433;
    report();
    stop();
    expect(frame.listening).toBe(0);
    await new Promise((resolve) => setTimeout(resolve, 0));
    expect(onResize).toHaveBeenCalledTimes(1);
    vi.unstubAllGlobals();
  });

  it("a theme changes by what is named", async () => {
    const { host, frame, link: made } = await linked({ theme: { "color-text": "#111", "color-primary": "blue" } });
    const heard = vi.fn();
    host.onTheme(heard);
    made.setTheme({ "color-primary": "red" });
    await vi.waitFor(() => expect(heard).toHaveBeenCalledWith({ "color-text": "#111", "color-primary": "red" }));
    expect(frame.style.properties.get("--alga-color-primary")).toBe("red");
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
    const session = vi.fn<() => Promise<Session>>(options().session).mockRejectedValueOnce(new Error("down"));
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
