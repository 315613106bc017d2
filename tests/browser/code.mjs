/** Sign in with a printed line, and try the same line again in another tab. */

import { tell } from "./browser.mjs";

await tell(async (page, { host, code }) => {
  await page.goto(`${host}/#code=${code}`);
  await page.waitForSelector("#workplace:not([hidden])");
  const address = page.url();
  const who = await page.textContent("#who");
  const again = await page.context().newPage();
  await again.goto(`${host}/#code=${code}`);
  await again.waitForSelector("#refused:not([hidden])");
  return { address, who, says: await again.textContent("#refused") };
});
