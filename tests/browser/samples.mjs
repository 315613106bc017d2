/** Both samples in both schemes: what axe finds, which violations of policies there are, and pictures. */

import { readFileSync } from "node:fs";

import { tell } from "./browser.mjs";

const axe = readFileSync(new URL("../../node_modules/axe-core/axe.min.js", import.meta.url), "utf8");

const findings = async (frame) => {
  await frame.evaluate(axe);
  const { violations } = await frame.evaluate(() => axe.run(document, { iframes: false }));
  return violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html).join(" ")}`);
};

await tell(async (page, { host, token, pictures }) => {
  await page.addInitScript(() => {
    globalThis.violations = [];
    addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
      violations.push(`${effectiveDirective} ${blockedURI}`);
    });
  });
  const found = { axe: {}, violations: [], probes: 0 };
  await page.goto(`${host}/`);
  found.axe["sign-in"] = await findings(page.mainFrame());
  await page.fill("#token", token);
  await page.click("#sign-in-form button");
  const note = async (frame) => {
    for (const violation of await frame.evaluate(() => violations.splice(0))) {
      if (/^frame-src https:\/\/frame-src-probe-\d+\.invalid/.test(violation)) found.probes++;
      else found.violations.push(violation);
    }
  };
  for (const name of ["hello", "notes"]) {
    await page.click(`#extensions button:has-text("${name}")`);
    await page.waitForSelector("#stage [data-state=ready]");
    const frame = await (await page.waitForSelector("#stage iframe")).contentFrame();
    await frame.waitForSelector("button:enabled");
    for (const scheme of ["one scheme", "the other"]) {
      await page.waitForTimeout(300);
      found.axe[`${name}, ${scheme}`] = await findings(frame);
      found.axe[`host page with ${name}, ${scheme}`] = await findings(page.mainFrame());
      await page.screenshot({ path: `${pictures}/${name}-${scheme.replace(" ", "-")}.png` });
      await page.click("#scheme");
    }
    await note(frame);
  }
  await page.waitForTimeout(300);
  await note(page.mainFrame());
  return found;
});
