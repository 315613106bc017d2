import { tell } from "./browser.mjs";

await tell(async (page, { host, pictures }) => {
  await page.goto(`${host}/`);
  await page.fill("#token", "not a token");
  await page.click("#sign-in-form button");
  await page.waitForSelector("#refused:not([hidden])");
  await page.screenshot({ path: `${pictures}/refused.png` });
  return { says: await page.textContent("#refused") };
});
