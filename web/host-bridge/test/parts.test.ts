import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import { gatewayCalls } from "../src/gateway-calls.js";
import { heartbeat } from "../src/heartbeat.js";
import { safeFileName } from "../src/parts/prompts.js";
import { rate } from "../src/rate.js";
import { plain } from "../src/texts.js";
import { buildExtUiSrc } from "../src/ui-src.js";

const HASH = "ab".repeat(32);

describe("the address of a page", () => {
  const address = { base: "https://ui.example", extensionId: "x 1", contentHash: `sha256:${HASH}` };

  it("has the extension, the digits of the hash and the page", () => {
    expect(buildExtUiSrc(address)).toBe(`https://ui.example/ext-ui/x%201/${HASH}/index.html`);
    expect(buildExtUiSrc({ ...address, contentHash: HASH.toUpperCase(), page: "a/b.html" })).toBe(
      `https://ui.example/ext-ui/x%201/${HASH}/a/b.html`,
    );
  });

  it.each(["", "sha256:", `sha512:${HASH}`, HASH.slice(1), `${HASH}0`, `${HASH}/../x`])(
    "refuses the hash %s",
    (hash) => {
      expect(() => buildExtUiSrc({ ...address, contentHash: hash })).toThrow(TypeError);
    },
  );
});

describe("a rate", () => {
  it("admits so many events in a period, and as many in the next", () => {
    vi.useFakeTimers();
    const admits = rate(3, 1_000);
    const admitted = (): number => Array.from({ length: 10 }, admits).filter(Boolean).length;
    expect(admitted()).toBe(3);
    vi.advanceTimersByTime(999);
    expect(admitted()).toBe(0);
    vi.advanceTimersByTime(1);
    expect(admitted()).toBe(3);
    vi.useRealTimers();
  });
});

describe("the heartbeat", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("tells once of a page that leaves three pings unanswered", () => {
    const [ping, silent] = [vi.fn(), vi.fn()];
    const { stop } = heartbeat(ping, silent);
    vi.advanceTimersByTime(15_000);
    expect([ping.mock.calls.length, silent.mock.calls.length]).toEqual([3, 0]);
    vi.advanceTimersByTime(60_000);
    expect(silent).toHaveBeenCalledOnce();
    stop();
  });

  it("does not tell of a page that answers some of them", () => {
    const silent = vi.fn();
    const { heard, stop } = heartbeat(() => undefined, silent);
    for (let round = 0; round < 10; round++) {
      vi.advanceTimersByTime(10_000);
      heard();
    }
    expect(silent).not.toHaveBeenCalled();
    stop();
    vi.advanceTimersByTime(60_000);
    expect(silent).not.toHaveBeenCalled();
  });
});

describe("a page's text", () => {
  it("loses characters that change what others look like, and keeps its lines", () => {
    expect(plain("a\u202eb\u0000c\u200bd\u2066e\nf\tg", 100)).toBe("abcde\nfg");
  });

  it.each([
    [10, "x".repeat(10)],
    [9, `${"x".repeat(8)}…`],
  ])("is cut to %i characters", (length, expected) => {
    expect(plain("x".repeat(10), length)).toBe(expected);
  });
});

describe("a file name", () => {
  it.each([
    ["notes.csv", "notes.csv"],
    ["Bericht März.pdf", "Bericht März.pdf"],
    ["../../etc/passwd", "_.._etc_passwd"],
    ["C:\\Windows\\x.exe", "C__Windows_x.exe"],
    [".bashrc", "bashrc"],
    ["a\u202efdp.exe", "afdp.exe"],
    ["line\nbreak", "line_break"],
    ["con.txt", "download.txt"],
    ["LPT1", "download"],
    ["...", "download"],
    ["", "download"],
    [`${"x".repeat(300)}.csv`, `${"x".repeat(100)}.csv`],
    ["a. ", "a"],
  ])("%j is saved as %j", (name, expected) => {
    expect(safeFileName(name)).toBe(expected);
  });
});

describe("calls of the gateway", () => {
  afterEach(() => void vi.unstubAllGlobals());
  const signal = new AbortController().signal;
  const call = {
    route: "/notes?x=1",
    method: "POST",
    headers: { "if-match": '"1"' },
    body: new Uint8Array([1]),
    signal,
  };

  it("carry the user's token, and neither cookies nor a redirect", async () => {
    const fetched = vi.fn((_: string, __: RequestInit) => Promise.resolve(new Response("{}", { status: 201 })));
    vi.stubGlobal("fetch", fetched);
    const answer = await gatewayCalls({ base: "https://api.example/", installId: "i/1", token: () => "t" })(call);

    expect(answer).toMatchObject({ status: 201, body: new Uint8Array([123, 125]) });
    expect(fetched.mock.calls[0]).toEqual([
      "https://api.example/api/ext/i%2F1/notes?x=1",
      {
        method: "POST",
        headers: { "content-type": "application/json", "if-match": '"1"', authorization: "Bearer t" },
        body: call.body,
        signal,
        credentials: "omit",
        redirect: "error",
      },
    ]);
  });

  it("take the token anew each time, and keep the type that the page gives", async () => {
    const headers: unknown[] = [];
    vi.stubGlobal("fetch", (_: string, request: RequestInit) => {
      headers.push(request.headers);
      return Promise.resolve(new Response(null, { status: 204 }));
    });
    let count = 0;
    const make = gatewayCalls({ installId: "i", token: () => Promise.resolve(`t${++count}`) });
    await make({ ...call, headers: { "content-type": "text/csv" } });
    await make({ ...call, headers: {}, body: undefined });
    expect(headers).toEqual([
      { "content-type": "text/csv", authorization: "Bearer t1" },
      { authorization: "Bearer t2" },
    ]);
  });
});
