/** Each hostile page beside a good one. What the page got, what the host saw, and whether the good page still works. */

import { echo, evil, finish, hits, mount, sleep, until, works } from "./harness.js";

const slow = (call) =>
  call.route.startsWith("/slow/")
    ? new Promise((resolve, reject) => {
        aborted[call.route] = false;
        call.signal.addEventListener("abort", () => {
          aborted[call.route] = true;
          reject(call.signal.reason);
        });
        setTimeout(() => resolve(echo(call)), 3_000);
      })
    : echo(call);
const aborted = {};

const questions = () => document.querySelectorAll("dialog").length;

/** Pages that do not get so far as to report. */
const SILENT = ["goes to the attacker", "floods its port", "speaks as an old page"];

finish(async () => {
  const listing = mount("hostile", "names");
  const names = await listing.report();
  listing.unmount();
  const good = mount("good", "");
  const found = {};
  await good.report();
  for (const name of names) {
    // Only pages of the SDK are allowed here, except for the one that tries to be an old page where it is forbidden.
    const frame = mount("hostile", name, {
      query: { evil },
      callApi: slow,
      oldPages: name !== "speaks as an old page",
    });
    const report = await frame.report(SILENT.includes(name) ? 2_500 : 15_000);
    if (name.startsWith("floods")) await until(() => frame.mounted.state === "failed");
    await sleep(30);
    const drawn = [...document.querySelectorAll("dialog, [role=status], [role=alert]")]
      .filter((element) => !good.mounted.element.contains(element) && !frame.mounted.element.contains(element))
      .map((element) => ({ text: element.textContent, elements: element.querySelectorAll("img, b, script").length }));
    const seen = {
      report,
      state: frame.mounted.failure ?? frame.mounted.state,
      calls: frame.calls.length,
      routes: [...new Set(frame.calls)].slice(0, 20),
      heights: [...new Set(frame.heights)],
      paths: frame.paths.length,
      questions: questions(),
      drawn,
    };
    frame.unmount();
    await sleep(10);
    found[name] = {
      ...seen,
      goodWorks: await works(good),
      leftBehind: questions(),
      polluted: {}.polluted ?? null,
      stolen: globalThis.stolen ?? null,
      address: location.pathname,
    };
    for (const notice of document.querySelectorAll("body > [role=status], body > [role=alert]")) notice.remove();
  }
  return { found, hits: await hits(), aborted, goodTheme: good.calls.some((call) => call.includes("stolen")) };
});
