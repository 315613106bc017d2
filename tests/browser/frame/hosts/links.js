/** Whatever happens to a frame, it has one live link, and its state is told. */

import { bootstrapIframe, buildExtUiSrc } from "@alga/host-bridge";

import { address, base, echo, evil, finish, mount, sleep, ui, until, works } from "./harness.js";

const good = (options) => mount("good", "", options);
const alive = (frame) => frame.calls.filter((call) => call.includes("/alive"));

/** How often one change of the theme is answered: as often as there are live links. */
async function linksOf(frame) {
  await works(frame);
  await sleep(50);
  frame.calls.length = 0;
  await works(frame);
  await sleep(50);
  return alive(frame).length;
}

const tried = {
  "two connections at once": async () => {
    const frame = good();
    return [frame, { report: await frame.report() }];
  },
  "components of React in strict mode": async () => {
    const frame = mount("react", "", { theme: { primary: "#112233" } });
    const report = await frame.report();
    frame.mounted.setTheme({ primary: "#445566" });
    const changed = () => frame.reports.find(({ route }) => route.endsWith("%23445566"));
    await until(() => changed() !== undefined);
    return [frame, { report, changed: changed(), calls: frame.calls.map((call) => call.slice(0, 40)), isPage: true }];
  },
  "a host that mounts twice, as React's strict mode does": async () => {
    const first = good();
    first.unmount();
    const second = good();
    await second.report();
    return [second, { frames: document.querySelectorAll("iframe:not([hidden])").length }];
  },
  "a frame that is moved in the document": async () => {
    const frame = good();
    await frame.report();
    const elsewhere = document.body.appendChild(document.createElement("section"));
    elsewhere.append(frame.mounted.element);
    return [frame, { report: await frame.report() }];
  },
  "a page that reloads itself": async () => {
    const frame = good();
    await frame.report();
    frame.mounted.setTheme({ primary: "#reload" });
    frame.mounted.setTheme({ primary: "#000000" });
    return [frame, { report: await frame.report() }];
  },
  "a page that goes to another page of its extension": async () => {
    const frame = good();
    await frame.report();
    frame.mounted.setTheme({ primary: "#next" });
    frame.mounted.setTheme({ primary: "#000000" });
    return [frame, { report: await frame.report() }];
  },
  "a frame that its host reloads": async () => {
    const frame = good();
    await frame.report();
    frame.mounted.reload();
    return [frame, { report: await frame.report() }];
  },
  "three frames of one install": async () => {
    const frames = [good(), good(), good()];
    for (const frame of frames) await frame.report();
    for (const frame of frames) await works(frame);
    const own = frames.map((frame) => new Set(alive(frame)).size);
    const all = new Set(frames.flatMap((frame) => alive(frame))).size;
    for (const frame of frames.slice(1)) frame.unmount();
    return [frames[0], { mixed: own.reduce((sum, count) => sum + count) - all }];
  },
  "a frame of the host's own, bootstrapped twice": async () => {
    const iframe = document.body.appendChild(document.createElement("iframe"));
    const calls = [];
    const make = (name) =>
      bootstrapIframe({
        iframe,
        src: address("good"),
        title: "Own",
        callApi: (call) => {
          calls.push(`${name} ${call.route}`);
          return echo(call);
        },
      });
    const first = make("first");
    const second = make("second");
    await until(() => second.state === "ready");
    first.close(); // late, as the clean-up of an effect may be
    first.reload();
    await until(() => {
      second.setTheme({ primary: "#123456" });
      return calls.length > 0;
    });
    const { state } = second;
    iframe.remove();
    second.close();
    return [undefined, { state, callers: [...new Set(calls.map((call) => call.split(" ")[0]))] }];
  },
  "a frame that is closed": async () => {
    const iframe = document.body.appendChild(document.createElement("iframe"));
    let heard = 0;
    addEventListener("message", ({ source }) => {
      if (source === iframe.contentWindow) heard++;
    });
    const frame = bootstrapIframe({ iframe, src: address("talking"), title: "Own", callApi: echo });
    await until(() => heard > 3);
    frame.close();
    await sleep(300);
    const before = heard;
    await sleep(300);
    iframe.remove();
    return [undefined, { before: before > 3, afterwards: heard - before }];
  },
  "the path that the host shows": async () => {
    const frame = good();
    await frame.report();
    frame.mounted.setPath("/notes/2");
    return [frame, { heard: await until(() => frame.calls.some((call) => call.includes("path=%2Fnotes%2F2"))) }];
  },
  "a page that goes to one that does not connect": async () => {
    const frame = good({ timeoutMs: 500 });
    await frame.report();
    await works(frame); // a page that goes before it has used its port may be an old one with nothing to say
    frame.mounted.setTheme({ primary: "#away" });
    // Three pings of 5 s, where the last answer of the page before arrives after the new one was loaded.
    await until(() => frame.mounted.state === "failed", 25_000);
    return [frame, { failure: frame.mounted.failure, isPage: true }];
  },
  "a page that does not connect": async () => {
    const frame = mount("silent", "", { timeoutMs: 500 });
    await until(() => frame.mounted.state === "failed", 6_000);
    return [frame, { states: frame.states, text: frame.mounted.element.textContent, isPage: true }];
  },
  "a page that is withdrawn": async () => {
    const src = buildExtUiSrc({ base: ui, extensionId: "x", contentHash: "cd".repeat(32) });
    const frame = mount("", "", { src });
    await until(() => frame.mounted.state === "withdrawn", 6_000);
    const { element, iframe } = frame.mounted;
    return [frame, { states: frame.states, text: element.textContent, src: iframe.getAttribute("src"), isPage: true }];
  },
  "a page whose address is not one": async () => {
    const frame = mount("", "", { src: `${base}/../x/%zz` });
    await until(() => frame.mounted.state === "failed", 6_000);
    return [frame, { failure: frame.mounted.failure, isPage: true }];
  },
  "a page of an origin that the host's policy forbids": async () => {
    const frame = mount("", "", { src: `${evil}/page` });
    await until(() => frame.mounted.state === "failed", 6_000);
    await sleep(50);
    const { failure, element } = frame.mounted;
    return [frame, { failure, text: element.textContent, shown: element.dataset.failure, isPage: true }];
  },
  "a script as the address": async () => {
    try {
      mount("", "", { src: "javascript:alert(1)" });
      return [undefined, { refused: false }];
    } catch (error) {
      return [undefined, { refused: error.name }];
    }
  },
};

finish(async () => {
  const found = {};
  for (const [name, attempt] of Object.entries(tried)) {
    const [frame, seen] = await attempt();
    const { isPage, ...rest } = seen;
    found[name] = {
      ...rest,
      ...(frame !== undefined && !isPage && { links: await linksOf(frame), state: frame.mounted.state }),
    };
    frame?.unmount();
    document.body.querySelector("section")?.remove();
  }
  return found;
});
