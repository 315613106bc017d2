/** What the host draws for a page: by keyboard, by mouse, checked by axe, and as pictures. */

import { readFileSync } from "node:fs";

import { tell } from "../browser.mjs";

const axe = readFileSync(new URL("../../../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

/** What axe finds in a document of the page. */
const findings = async (frame) => {
  await frame.evaluate(axe);
  const { violations } = await frame.evaluate(() => axe.run(document, { iframes: false }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
};

await tell(async (page, { url, pictures }) => {
  const found = { axe: {}, focus: [] };
  const answer = async (count) => {
    await page.waitForFunction((wanted) => reports.length >= wanted, count);
    return page.evaluate(() => reports.at(-1));
  };
  const focused = async () => {
    const frame = await (await page.$("iframe[title='Notes of the team']")).contentFrame();
    const outside = await page.evaluate(() => document.activeElement.id || document.activeElement.localName);
    return outside === "iframe" ? `in the page: ${await frame.evaluate(() => document.activeElement.id)}` : outside;
  };
  const open = async (scheme, width = 1180) => {
    await page.setViewportSize({ width, height: 760 });
    await page.goto(`${url}?scheme=${scheme}`);
    await page.waitForFunction(() => reports.includes("connected"));
    return (await page.$("iframe[title='Notes of the team']")).contentFrame();
  };

  let frame = await open("light");
  found.title = await page.getAttribute("main iframe", "title");

  await page.focus("#before");
  for (let count = 0; count < 5; count++) {
    await page.keyboard.press("Tab");
    found.focus.push(await focused());
  }
  await page.evaluate(() => {
    document.activeElement.blur();
    mounted.focus();
  });
  found.focusByHost = (await focused()).startsWith("in the page");

  await frame.focus("#delete");
  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog[open]");
  found.heading = await page.textContent("dialog h2");
  found.text = await page.textContent("dialog p");
  found.disabledAtFirst = await page.isDisabled("dialog button:has-text('Delete')");
  found.focusInDialog = await page.evaluate(() => document.activeElement.textContent);
  found.axe.dialog = await findings(page.mainFrame());
  await page.screenshot({ path: `${pictures}/frame-dialog-light.png` });
  await page.keyboard.press("Escape");
  found.escaped = await answer(2);
  found.focusAfterwards = await focused();

  await page.keyboard.press("Enter");
  await page.waitForSelector("dialog button:has-text('Delete'):enabled");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Enter");
  found.confirmed = await answer(3);

  await frame.click("#export");
  found.beforeTheClick = await Promise.race([
    page.waitForEvent("download").then(() => "saved"),
    page.waitForTimeout(700).then(() => "nothing"),
  ]);
  const [file] = await Promise.all([page.waitForEvent("download"), page.click("dialog button:has-text('Save')")]);
  found.saved = await answer(4);
  found.file = file.suggestedFilename();
  found.content = readFileSync(await file.path(), "utf8");

  await frame.click("#save");
  await page.waitForSelector("body > [role=status]");
  found.notice = await page.textContent("body > [role=status]");
  found.axe.notice = await findings(page.mainFrame());
  await page.click("body > [role=status] button");
  found.noticeAfterwards = await page.locator("body > [role=status]").count();

  for (const scheme of ["light", "dark"]) {
    frame = await open(scheme);
    found.axe[`page in ${scheme}`] = await findings(frame);
    found.axe[`host in ${scheme}`] = await findings(page.mainFrame());
    await page.screenshot({ path: `${pictures}/frame-${scheme}.png` });
    await frame.click("#delete");
    await page.waitForSelector("dialog[open] button:enabled >> nth=1");
    found.axe[`dialog in ${scheme}`] = await findings(page.mainFrame());
    await page.keyboard.press("Escape");
  }
  await open("light", 390);
  await (await (await page.$("main iframe")).contentFrame()).click("#delete");
  await page.waitForSelector("dialog[open]");
  await page.screenshot({ path: `${pictures}/frame-narrow.png` });
  found.overflow = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  const animations = () =>
    page.evaluate(async () => {
      mounted.reload();
      let most = 0;
      for (const end = performance.now() + 600; performance.now() < end; ) {
        most = Math.max(most, document.getAnimations().length);
        await new Promise((resolve) => setTimeout(resolve));
      }
      return most;
    });
  await page.emulateMedia({ reducedMotion: "reduce" });
  found.animations = await animations();
  await page.emulateMedia({ reducedMotion: "no-preference" });
  found.animationsOtherwise = await animations();
  return found;
});
