/** Every page that was built for AlgaPSA's SDK: what it gets, and what its handler was asked. */

import { echo, finish, mount, sleep } from "./harness.js";

const answers = {
  "/empty": () => ({ status: 204, headers: {} }),
  "/refused": () => ({ status: 404, headers: {}, body: new TextEncoder().encode("no such note") }),
  "/broken": () => Promise.reject(new Error("internal address")),
  "/slower": async (call) => {
    await sleep(2_500);
    return echo(call);
  },
  "/slow": async (call) => {
    await sleep(400);
    return echo(call);
  },
};

/** Where frames are not proved, these are enough: none of them may reach anything. */
const REFUSED = [
  "says ready without a payload",
  "reads its path",
  "calls with GET",
  "calls before it says ready",
  "navigates",
];
const proved = location.pathname.startsWith("/strict/");

finish(async () => {
  const listing = mount("old", "names");
  const names = proved ? await listing.report() : REFUSED;
  listing.unmount();
  const said = [];
  console.error = (text) => said.push(text);
  console.warn = (text) => said.push(text);
  if (!proved) await sleep(2_200); // so long the bridge waits for the browser to block its probe
  const found = {};
  for (const name of names) {
    const frame = mount("old", name, {
      query: { givesUp: name.startsWith("gives up") ? 1_500 : 15_000 },
      path: "/notes/7",
      tenant: "acme",
      extensionId: "com.acme.notes",
      theme: { primary: "rgb(9, 9, 9)", "primary-soft": "rgb(8, 8, 8)", muted: "rgb(7, 7, 7)" },
      callApi: (call) => (answers[call.route] ?? echo)(call),
    });
    const changing = setInterval(() => {
      if (frame.paths.includes("/change-the-theme")) frame.mounted.setTheme({ primary: "rgb(1, 2, 3)" });
    }, 20);
    const report = await frame.report(proved ? 15_000 : 400);
    clearInterval(changing);
    await sleep(20);
    found[name] = {
      report,
      state: frame.mounted.failure ?? frame.mounted.state,
      calls: frame.calls,
      paths: frame.paths,
    };
    frame.unmount();
  }
  return { found, said: [...new Set(said)] };
});
