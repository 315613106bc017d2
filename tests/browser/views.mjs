import { readFileSync } from "node:fs";

import { tell } from "./browser.mjs";
import { choose, signIn } from "./host-page.mjs";

const AXE = readFileSync(new URL("../../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");
const LOOKS = [
  { name: "light", colorScheme: "light", width: 1180 },
  { name: "dark", colorScheme: "dark", width: 1180 },
  { name: "narrow", colorScheme: "light", width: 390 },
  { name: "narrow-dark", colorScheme: "dark", width: 390 },
];

/** What axe finds in a page or frame, as "rule: element". */
async function findings(frame) {
  await frame.evaluate(AXE);
  return frame.evaluate(async () => {
    const { violations } = await globalThis.axe.run(document, { iframes: false });
    return violations.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 200)}`));
  });
}

/** Give entries of the menu another address of their page. What is then shown is what the UI host really answers. */
async function withPagesAt(page, change, story) {
  const pattern = "**/api/registry/v1/menu";
  await page.route(pattern, async (route) => {
    const response = await route.fetch();
    const { items } = await response.json();
    await route.fulfill({ response, json: { items: change(items) } });
  });
  await page.reload();
  await story();
  await page.unroute(pattern);
}

/**
 * Save a picture of the whole page. The window is made as high as the page: what Playwright itself does for a whole page
 * leaves frames of other processes at another width.
 */
async function picture(page, frame, path) {
  const { width, height } = page.viewportSize();
  const whole = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width, height: Math.max(height, whole) });
  const painted = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  await page.evaluate(painted);
  await frame?.evaluate(painted);
  await page.screenshot({ path });
  await page.setViewportSize({ width, height });
}

const state = (page, name) => page.waitForSelector(`#stage > [data-state="${name}"]`);

/** Each view of the host page and of the samples, in both colour schemes and in a narrow window. */
await tell(async (page, { host, token, pictures }) => {
  const views = {};
  for (const { name, colorScheme, width } of LOOKS) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 760 });
    const look = async (view, frame) => {
      await picture(page, frame, `${pictures}/${view}-${name}.png`);
      const ofFrame = frame === undefined ? [] : await findings(frame);
      views[`${view} ${name}`] = {
        findings: [...(await findings(page.mainFrame())), ...ofFrame],
        overflow: await page.evaluate(() => document.documentElement.scrollWidth - innerWidth),
        overflow_of_frame: await frame?.evaluate(() => document.documentElement.scrollWidth - innerWidth),
      };
    };

    await page.goto(`${host}/`);
    await page.waitForSelector("#sign-in:not([hidden])");
    await look("sign-in");

    await signIn(page, { host, token });
    const hello = await choose(page, "Hello");
    await hello.frame.waitForSelector("#facts:not([hidden])");
    await look("hello", hello.frame);

    const notes = await choose(page, "Notes");
    await notes.frame.waitForSelector("#keep:enabled");
    await notes.frame.fill("#title", "Milk");
    await notes.frame.fill("#text", "and bread, and a very-long-word-".padEnd(120, "x"));
    await notes.frame.click("#keep");
    await notes.frame.waitForSelector('li:has-text("Milk")');
    await look("notes", notes.frame);
    await notes.frame.click('li:has-text("Milk") button');
    await notes.frame.waitForSelector('li:has-text("Milk")', { state: "detached" });

    const unknown = (items) =>
      items.map((item) => ({ ...item, ui_url: item.ui_url.replace(/[0-9a-f]{64}/, "0".repeat(64)) }));
    await withPagesAt(page, unknown, async () => {
      await state(page, "withdrawn");
      await look("withdrawn");
    });
    const elsewhere = (items) => items.map((item) => ({ ...item, ui_url: "http://127.0.0.1:9/" }));
    await withPagesAt(page, elsewhere, async () => {
      await state(page, "failed");
      await look("failed");
    });
    await withPagesAt(
      page,
      () => [],
      async () => {
        await page.waitForSelector("#notice:not([hidden])");
        await look("empty");
      },
    );
    await page.click("#sign-out");
  }

  await signIn(page, { host, token });
  const { frame } = await choose(page, "Notes");
  await frame.evaluate(() => document.querySelector("label[for=title]").remove());
  const broken = await findings(frame);

  const groups = async () =>
    page.evaluate(() =>
      [...document.querySelectorAll("#extensions section")].map((group) => [
        group.querySelector("h2").textContent,
        ...[...group.querySelectorAll("button")].map((button) => button.textContent.trim()),
      ]),
    );
  let hooks;
  const alsoInThePortal = (items) => [...items, { ...items[0], hook: "clientPortalMenu", label: "My notes" }];
  await withPagesAt(page, alsoInThePortal, async () => {
    await page.waitForSelector("#extensions section:nth-child(2)");
    hooks = await groups();
  });
  return { views, broken, hooks };
});
