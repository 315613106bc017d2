/** The bridge as its published files: complete, and without each of its parts. */

import { address, finish, mount, sleep, until } from "./harness.js";

const load = (folder) => import(`${location.origin}/hosts/${folder}/index.js`);

/** The parts of the bridge that this page has asked for since it was called last. */
function loaded() {
  const names = performance.getEntriesByType("resource").map(({ name }) => /\/parts\/([a-z-]+)\.js$/.exec(name)?.[1]);
  performance.clearResourceTimings();
  return [...new Set(names.filter(Boolean))].sort();
}

async function confirmInTheDialog() {
  await until(() => document.querySelector("dialog button:last-child:enabled") !== null);
  document.querySelector("dialog button:last-child").click();
}

/** What a page reports, or "no report" if it fails before. */
async function reportOf({ reports, mounted }) {
  await until(() => reports.length > 0 || mounted.state === "failed");
  return reports[0] ?? "no report";
}

/** What a page is answered by a host with this bridge. */
async function used(bridge, name, options) {
  const errors = [];
  const frame = mount("using", name, { bridge, onError: (error) => errors.push(error.message), ...options });
  if (name === "confirm" && options?.answers !== false) void confirmInTheDialog();
  const report = await reportOf(frame);
  await sleep(50);
  const { state, failure, element } = frame.mounted;
  const seen = {
    report,
    state: failure ?? state,
    text: element.textContent,
    errors: errors.map((text) => text.slice(0, 200)),
  };
  frame.unmount();
  return seen;
}

const session = () => Promise.resolve({ token: "of the host", expires_at: "2100-01-01T00:00:00Z" });

async function old(bridge) {
  const errors = [];
  const options = { bridge, onError: (error) => errors.push(error.message), oldPages: true };
  const frame = mount("old", "calls with POST when it names no method", options);
  const report = await reportOf(frame);
  const { state, failure } = frame.mounted;
  frame.unmount();
  return { report, state: failure ?? state, errors: errors.length };
}

async function everything(bridge) {
  const callApi = bridge.gatewayCalls({ installId: "i", token: () => "t" });
  return {
    call: await used(bridge, "call"),
    loadedByACall: loaded(),
    gateway: await used(bridge, "call", { callApi }),
    confirm: await used(bridge, "confirm"),
    session: await used(bridge, "session", { session }),
    old: await old(bridge),
    loadedByTheRest: loaded(),
    withdrawn: await withdrawn(bridge),
  };
}

async function withdrawn(bridge) {
  const src = address("using").replace(/[0-9a-f]{64}/, "0".repeat(64));
  const frame = mount("", "", { bridge, src });
  await until(() => frame.mounted.state === "withdrawn", 6_000);
  const { state, element } = frame.mounted;
  frame.unmount();
  return { state, text: element.textContent };
}

finish(async () => {
  const without = {
    calls: async (bridge) => used(bridge, "call"),
    prompts: async (bridge) => used(bridge, "confirm", { answers: false }),
    "session-keeper": async (bridge) => used(bridge, "session", { session }),
    "old-pages": old,
    checks: async (bridge) => ({ old: await old(bridge), call: await used(bridge, "call") }),
    views: async (bridge) => used(bridge, "call"),
  };
  const found = { bridge: await everything(await load("bridge")), split: await everything(await load("split")) };
  for (const [part, attempt] of Object.entries(without)) {
    found[`without ${part}`] = await attempt(await load(`without-${part}`));
  }
  return found;
});
