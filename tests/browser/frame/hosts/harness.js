/** What every host page of these tests shares. It finds out what frames did, and posts it to its own server. */

import * as bundled from "@alga/host-bridge";

export const { ui, host, evil, base } = globalThis.config;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Wait until a condition holds; whether it did. */
export async function until(condition, withinMs = 10_000) {
  const end = performance.now() + withinMs;
  while (performance.now() < end) {
    if (await condition()) return true;
    await sleep(10);
  }
  return Boolean(await condition());
}

export const address = (page, name = "", query = {}) =>
  `${base}/${page}/index.html?${new URLSearchParams({ do: name, ...query })}`;

const utf8 = new TextEncoder();

/** Answers as a handler of the tests does: what it was asked. */
export function echo({ route, method, headers, body }) {
  const text = JSON.stringify({ route, method, headers, body: body && new TextDecoder().decode(body) });
  return Promise.resolve({ status: 200, headers: { "content-type": "application/json" }, body: utf8.encode(text) });
}

/** Mount a test page, and record what it does. A page reports with `parent.postMessage({ report: … })`. */
export function mount(page, name, options = {}) {
  const record = { calls: [], heights: [], paths: [], states: [], reports: [] };
  const { callApi = echo, container = document.body, query, src = address(page, name, query), ...rest } = options;
  const { bridge = bundled, ...more } = rest;
  const mounted = bridge.mountExtension({
    container,
    src,
    title: `Page ${page}`,
    callApi: (call) => {
      record.calls.push(`${call.method} ${call.route}`);
      return callApi(call);
    },
    onResize: (height) => record.heights.push(height),
    onNavigate: (path) => record.paths.push(path),
    onState: (state, failure) => record.states.push(failure ?? state),
    ...more,
  });
  const listen = (event) => {
    if (event.source === mounted.iframe.contentWindow && event.data?.report !== undefined) {
      record.reports.push(event.data.report);
    }
  };
  addEventListener("message", listen);
  return {
    ...record,
    mounted,
    iframe: mounted.iframe,
    /** The page's next report, or "no report". */
    report: async (withinMs = 15_000) => {
      await until(() => record.reports.length > 0, withinMs);
      return record.reports.shift() ?? "no report";
    },
    unmount: () => {
      removeEventListener("message", listen);
      mounted.unmount();
    },
  };
}

let beats = 0;

/** Whether a page "good" still hears its host, calls its handler and gets the answer. */
export async function works(good) {
  const token = `#${String(++beats).padStart(6, "0")}`;
  good.mounted.setTheme({ primary: token });
  return until(() => good.calls.some((call) => call.includes(`primary=${encodeURIComponent(token)}&`)));
}

export const hits = async () => (await fetch("/hits")).json();

/** Post the results of a page, and end. */
export async function finish(work) {
  let result;
  try {
    result = await work();
  } catch (error) {
    result = { failed: `${error}\n${error?.stack}` };
  }
  const name = new URLSearchParams(location.search).get("run");
  await fetch(`/result/${name}`, { method: "POST", body: JSON.stringify(result) });
}
