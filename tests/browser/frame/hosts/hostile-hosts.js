/** Hosts that misuse a good page. Each says what it got. */

import { address, evil, finish, hits, host, sleep, until } from "./harness.js";

const message = (type, payload, id) => ({ alga: true, version: "1", type, payload, ...(id && { request_id: id }) });
const bootstrap = () => message("bootstrap", { theme_tokens: {}, navigation: { path: "/" } });

/** For pages that must not connect: how long they try. */
const IMPATIENT = { patience: 900 };

/** Frame a page by hand. Its reports and its messages are kept. */
function show(options = {}) {
  const { src = address("vault", options.do ?? "", options.query), sandbox = "allow-scripts" } = options;
  const iframe = document.createElement("iframe");
  iframe.setAttribute("sandbox", sandbox);
  iframe.src = src;
  const shown = { iframe, reports: [], said: [], remove: () => iframe.remove() };
  addEventListener("message", ({ source, data, origin }) => {
    if (source !== iframe.contentWindow) return;
    if (data.report !== undefined) shown.reports.push(data.report);
    else shown.said.push({ ...data, origin });
  });
  document.body.append(iframe);
  shown.ready = () => until(() => shown.said.some(({ type }) => type === "ready"));
  shown.report = async (withinMs = 15_000) => {
    await until(() => shown.reports.length > 0, withinMs);
    return shown.reports.shift() ?? "no report";
  };
  shown.post = (data, ports = []) => iframe.contentWindow.postMessage(data, "*", ports);
  return shown;
}

/** Connect as a good host does, and return the port. */
async function connected(options) {
  const shown = show(options);
  await shown.ready();
  const { port1, port2 } = new MessageChannel();
  shown.post(bootstrap(), [port2]);
  port1.postMessage(bootstrap());
  await shown.report();
  return { shown, port: port1 };
}

/** Whether the page answers a ping on a port. */
function answers(port, withinMs = 5_000) {
  return new Promise((resolve) => {
    port.onmessage = ({ data }) => data.type === "pong" && resolve(true);
    port.postMessage(message("ping", {}));
    setTimeout(resolve, withinMs, false);
  });
}

const nameOf = (work) => {
  try {
    return String(work());
  } catch (error) {
    return error.name;
  }
};

const attempts = {
  "reads the page": async () => {
    const { shown } = await connected();
    const { iframe } = shown;
    return [
      String(iframe.contentDocument),
      nameOf(() => iframe.contentWindow.secret),
      nameOf(() => iframe.contentWindow.document),
    ];
  },
  "gives the page an origin": async () => {
    const { shown, port } = await connected({ sandbox: "allow-scripts allow-same-origin" });
    port.postMessage(message("theme", { primary: "red" }));
    return [shown.said[0].origin, (await shown.report()).origin, nameOf(() => shown.iframe.contentWindow.secret)];
  },
  "sends no port": async () => {
    const shown = show({ query: IMPATIENT });
    await shown.ready();
    shown.post(bootstrap());
    return shown.report();
  },
  "sends two ports": async () => {
    const shown = show({ query: IMPATIENT });
    await shown.ready();
    const [one, other] = [new MessageChannel(), new MessageChannel()];
    shown.post(bootstrap(), [one.port2, other.port2]);
    return shown.report();
  },
  "sends another envelope": async () => {
    const shown = show({ query: IMPATIENT });
    await shown.ready();
    for (const wrong of [{ alga: 1 }, { version: "2" }, { type: "theme" }, { payload: {} }]) {
      shown.post({ ...bootstrap(), ...wrong }, [new MessageChannel().port2]);
    }
    return shown.report();
  },
  "sends a port from another window": async () => {
    const shown = show({ query: IMPATIENT });
    await shown.ready();
    const other = document.body.appendChild(document.createElement("iframe"));
    const at = [...document.querySelectorAll("iframe")].indexOf(shown.iframe);
    const script = `const c = new MessageChannel(); parent.frames[${at}].postMessage(${JSON.stringify(bootstrap())}, "*", [c.port2]);`;
    const element = other.contentDocument.createElement("script");
    element.textContent = script;
    other.contentDocument.body.append(element);
    const got = await shown.report();
    other.remove();
    return got;
  },
  "is not the host that the page expects": async () => {
    const shown = show({ query: { ...IMPATIENT, hostOrigin: "https://app.example" } });
    await sleep(300);
    shown.post(bootstrap(), [new MessageChannel().port2]);
    return shown.report();
  },
  "sends the first message again": async () => {
    const { shown, port } = await connected();
    const { port1, port2 } = new MessageChannel();
    shown.post(bootstrap(), [port2]);
    port1.postMessage(bootstrap());
    return [await answers(port1, 400), await answers(port)];
  },
  "answers what was not asked": async () => {
    const { port } = await connected();
    for (const id of ["1", "99", "__proto__", "constructor"]) {
      port.postMessage(message("apiproxy_response", { status: 200, headers: {} }, id));
      port.postMessage(message("confirm_response", { confirmed: true }, id));
    }
    return answers(port);
  },
  "answers with a body that is not base64": async () => {
    const { shown, port } = await connected({ do: "calls" });
    port.onmessage = ({ data }) =>
      port.postMessage(message("apiproxy_response", { status: 200, headers: {}, body: "%%%" }, data.request_id));
    return shown.report();
  },
  "never answers": async () => {
    const { shown, port } = await connected({ do: "calls" });
    port.onmessage = () => undefined;
    return shown.report();
  },
  "closes the port": async () => {
    const { shown, port } = await connected({ do: "calls" });
    port.close();
    return shown.report();
  },
  "speaks as a frame": async () => {
    const { port } = await connected();
    port.postMessage(message("apiproxy", { route: "/x" }, "1"));
    port.postMessage(message("ready", {}));
    return answers(port);
  },
  "hides an address in the theme": async () => {
    const { shown, port } = await connected();
    port.postMessage(message("theme", { primary: `url(${evil}/theme)`, unknown: "1" }));
    const { unknown, primary } = await shown.report();
    await sleep(200);
    return [unknown, primary.startsWith("url(")];
  },
  "pollutes prototypes": async () => {
    const { shown, port } = await connected();
    const theme = JSON.parse('{"__proto__": "x", "constructor": "x", "primary": "red"}');
    port.postMessage(message("theme", theme));
    port.postMessage(message("theme", { primary: "blue" }));
    return (await shown.report()).polluted;
  },
  "is of an origin that may not frame": () => framedBy(`${evil}/none/frames-the-page`),
  "stands between the host and the page": () =>
    framedBy(`${host}/none/frames-the-page?nested=${encodeURIComponent(evil)}`),
  "has no origin": () => framedBy(`${host}/none/frames-the-page`, "allow-scripts"),
};

/** What a page of another host gets that frames the vault, and puts a transparent cover over it. */
async function framedBy(src, sandbox = "allow-scripts allow-same-origin") {
  const shown = show({ src, sandbox });
  return shown.report(15_000);
}

finish(async () => {
  const found = {};
  for (const [name, attempt] of Object.entries(attempts)) {
    found[name] = await attempt();
    for (const iframe of document.querySelectorAll("iframe")) iframe.remove();
  }
  return { found, hits: await hits() };
});
