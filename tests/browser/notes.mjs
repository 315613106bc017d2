import { tell } from "./browser.mjs";
import { choose, signIn } from "./host-page.mjs";

await tell(async (page, { host, token, pictures }) => {
  await signIn(page, { host, token });
  const { frame } = await choose(page, "Notes");
  await frame.fill("#title", "Written in a browser");
  await frame.fill("#text", "and kept in storage");
  await frame.click("#keep");
  await frame.waitForSelector("text=Written in a browser");
  await page.screenshot({ path: `${pictures}/notes.png` });
  await page.reload();
  const again = await choose(page, "Notes");
  await again.frame.waitForSelector("text=Written in a browser");
  return { kept: true };
});
