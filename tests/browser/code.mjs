/** Sign in with a printed line, and try the same line again after signing out. */

import { tell } from "./browser.mjs";

await tell(async (page, { host, code }) => {
  await page.goto(`${host}/#code=${code}`);
  await page.waitForSelector("#workplace:not([hidden])");
  const address = page.url();
  const who = await page.textContent("#who");
  await page.click("#sign-out");
  await page.goto("about:blank");
  await page.goto(`${host}/#code=${code}`);
  await page.waitForSelector("#refused:not([hidden])");
  return { address, who, says: await page.textContent("#refused") };
});
