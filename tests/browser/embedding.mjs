import { tell } from "./browser.mjs";

/** A page of the how-to about embedding: choose the first extension, if the page has a menu, and see what it shows. */
await tell(async (page, { origin, token, pictures }) => {
  const warnings = [];
  page.on("console", (line) => line.type() === "warning" && warnings.push(line.text()));
  await page.addInitScript(() => {
    globalThis.violations = [];
    addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) =>
      globalThis.violations.push(`${effectiveDirective} ${blockedURI}`),
    );
  });
  await page.goto(origin);
  await page.waitForSelector("#menu button, #extension button");
  const menu = await page.locator("#menu button").allTextContents();
  if (menu.length > 0) await page.click("#menu button");
  const element = await page.waitForSelector('iframe[title="Hello"]');
  const frame = await element.contentFrame();
  await frame.waitForSelector("#facts:not([hidden])");
  const seen = await frame.evaluate(() => location.href + document.documentElement.outerHTML);
  await page.screenshot({ path: `${pictures}/embedded.png` });
  if (menu.length === 0) {
    await page.click("#extension button");
    await frame.waitForFunction(() => getComputedStyle(document.documentElement).colorScheme === "dark");
  }
  await page.waitForSelector("iframe[hidden]", { state: "detached" }); // the bridge's probe has ended
  return {
    menu,
    warnings: warnings.filter((line) => line.includes("frame")),
    violations: await page.evaluate(() => globalThis.violations),
    tenant: await frame.textContent("#tenant"),
    frames: await page.locator("iframe:not([hidden])").count(),
    scheme: await frame.evaluate(() => getComputedStyle(document.documentElement).colorScheme),
    frame_has_token: seen.includes(token),
  };
});
