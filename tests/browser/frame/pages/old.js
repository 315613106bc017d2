/**
 * Pages as they were built for AlgaPSA's SDK, written from the contract (7.1): everything is posted to the parent and heard
 * on the window, and there is no port.
 */

const query = new URLSearchParams(location.search);
const parentOrigin = query.get("parentOrigin");
const GIVES_UP_MS = Number(query.get("givesUp") ?? 15_000);

const heard = [];
let foreign = 0;
let bootstrapped;
const firstBootstrap = new Promise((resolve) => {
  bootstrapped = resolve;
});
const waiting = new Map();
addEventListener("message", (event) => {
  if (event.origin !== parentOrigin) {
    foreign++;
    return;
  }
  const { alga, version, type, request_id: id, payload } = event.data;
  if (alga !== true || version !== "1") return;
  heard.push({ type, payload });
  if (type === "bootstrap" && event.ports.length === 0) bootstrapped(payload);
  if (type === "bootstrap") applyTheme(payload.theme_tokens);
  if (type === "theme") applyTheme(payload);
  if (type === "apiproxy_response") waiting.get(id)?.(payload);
});

function applyTheme(properties) {
  for (const [name, value] of Object.entries(properties)) document.documentElement.style.setProperty(name, value);
}

function send(type, payload, id) {
  const said = { alga: true, version: "1", type };
  if (payload !== undefined) said.payload = payload;
  if (id !== undefined) said.request_id = id;
  parent.postMessage(said, parentOrigin);
}

/** Call a handler; `body` is text. Returns the text of the answer. */
function callProxy(route, { method, body } = {}) {
  const id = crypto.randomUUID?.() ?? String(Math.random());
  const payload = { route };
  if (method !== undefined) payload.method = method;
  if (body !== undefined) payload.body = btoa(body);
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      waiting.delete(id);
      reject(new Error("gave up"));
    }, GIVES_UP_MS);
    waiting.set(id, (answer) => {
      clearTimeout(timer);
      waiting.delete(id);
      if (answer.error !== undefined) reject(new Error(answer.error));
      else resolve(answer.body === undefined ? undefined : atob(answer.body));
    });
    send("apiproxy", payload, id);
  });
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const errorOf = (work) =>
  work.then(
    () => "no error",
    (error) => error.message,
  );
const property = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const until = async (condition) => {
  for (let rounds = 0; rounds < 200 && !condition(); rounds++) await sleep(10);
  return condition();
};
/** What a handler of the tests was asked. */
const asked = async (route, options) => JSON.parse(await callProxy(route, options));

const variants = {
  "says ready without a payload": async () => {
    send("ready");
    const { session } = await firstBootstrap;
    return [session.token, typeof session.expires_at];
  },
  "says ready with an empty payload": async () => {
    send("ready", {});
    return (await firstBootstrap).session.token;
  },
  "says ready only after it was loaded": async () => {
    if (document.readyState !== "complete") await new Promise((resolve) => addEventListener("load", resolve));
    await sleep(100);
    send("ready");
    return (await firstBootstrap).session.token;
  },
  "never says ready": async () => (await firstBootstrap).session.token,
  "says ready twice": async () => {
    send("ready");
    await firstBootstrap;
    send("ready");
    return until(() => heard.filter(({ type }) => type === "bootstrap").length >= 2);
  },
  "reads its path": async () => {
    send("ready");
    return [(await firstBootstrap).navigation.path, query.get("path")];
  },
  "reads its tenant and extension": async () => [query.get("tenant"), query.get("extensionId")],
  "hears its host alone": async () => {
    send("ready");
    await firstBootstrap;
    return foreign;
  },
  "calls with POST when it names no method": async () => {
    send("ready");
    return (await asked("/x")).method;
  },
  "calls with GET": async () => {
    send("ready");
    return (await asked("/x?y=1", { method: "GET" })).route;
  },
  "calls with PUT and a body": async () => {
    send("ready");
    const { method, body } = await asked("/x", { method: "PUT", body: '{"a":1}' });
    return [method, body];
  },
  "calls with DELETE": async () => {
    send("ready");
    return (await asked("/x/1", { method: "DELETE" })).method;
  },
  "calls with GET and a body": async () => {
    send("ready");
    return errorOf(callProxy("/x", { method: "GET", body: "{}" }));
  },
  "calls before it says ready": async () => (await asked("/x")).method,
  "gets an empty answer": async () => {
    send("ready");
    return (await callProxy("/empty")) ?? "nothing";
  },
  "is refused by its handler": async () => {
    send("ready");
    return errorOf(callProxy("/refused"));
  },
  "cannot be served by its host": async () => {
    send("ready");
    return errorOf(callProxy("/broken"));
  },
  "makes two calls at once": async () => {
    send("ready");
    const [slow, fast] = await Promise.all([asked("/slow"), asked("/fast")]);
    return [slow.route, fast.route];
  },
  "gives up, and calls again": async () => {
    send("ready");
    return [await errorOf(callProxy("/slower")), (await asked("/x")).route];
  },
  "sets the theme": async () => {
    send("ready");
    await until(() => property("--alga-row-hover") !== "");
    return [property("--alga-primary"), property("--alga-primary-light"), property("--alga-row-hover")];
  },
  "hears that the theme has changed": async () => {
    send("ready");
    await firstBootstrap;
    send("navigate", { path: "/change-the-theme" });
    await until(() => property("--alga-primary") === "rgb(1, 2, 3)");
    return property("--alga-primary");
  },
  "asks for a height": async () => {
    send("ready");
    send("resize", { height: 345 });
    await until(() => innerHeight === 345);
    return innerHeight;
  },
  navigates: async () => {
    send("ready");
    send("navigate", { path: "/notes/1" });
    return "sent";
  },
  "goes to another of its pages": async () => {
    if (query.get("second") === null) {
      send("ready");
      await firstBootstrap;
      query.set("second", "1");
      location.search = query;
      return undefined;
    }
    send("ready");
    return (await asked("/x")).method;
  },
};

const name = query.get("do");
if (name === "names") parent.postMessage({ report: Object.keys(variants) }, "*");
else {
  Promise.resolve(variants[name]()).then(
    (report) => report !== undefined && parent.postMessage({ report }, "*"),
    (error) => parent.postMessage({ report: `${error}` }, "*"),
  );
}
