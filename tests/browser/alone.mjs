import { tell } from "./browser.mjs";

/** The extension's page opened by itself, outside any frame. */
await tell(async (page, { url }) => {
  const answer = await page.goto(url);
  return { status: answer.status(), origin: await page.evaluate(() => window.origin) };
});
