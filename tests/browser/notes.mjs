import { tell } from "./browser.mjs";

await tell(async (page, { host, token, pictures }) => {
  await page.goto(`${host}/`);
  await page.fill("#token", token);
  await page.click("#sign-in-form button");
  await page.click('#extensions button:has-text("notes")');
  const element = await page.waitForSelector("#stage iframe");
  const frame = await element.contentFrame();
  await frame.fill("#title", "Written in a browser");
  await frame.fill("#text", "and kept in storage");
  await frame.click("#keep");
  await frame.waitForSelector("text=Written in a browser");
  await page.screenshot({ path: `${pictures}/notes.png` });
  await page.reload();
  await page.click('#extensions button:has-text("notes")');
  const again = await (await page.waitForSelector("#stage iframe")).contentFrame();
  await again.waitForSelector("text=Written in a browser");
  return { kept: true };
});
