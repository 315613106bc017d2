import { tell } from "./browser.mjs";

/** A page of the how-to that cannot show the extension: which states it is told, until there is an end. */
await tell(async (page, { origin }) => {
  await page.addInitScript(() => {
    globalThis.told = [];
  });
  await page.goto(origin);
  await page.click("#menu button");
  await page.waitForFunction(() => ["failed", "withdrawn"].includes(globalThis.told.at(-1)?.[0]));
  return { told: await page.evaluate(() => globalThis.told.map((change) => change.filter(Boolean))) };
});
