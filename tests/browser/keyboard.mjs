import { tell } from "./browser.mjs";

const STEPS = 40;

/** Everything that a user does on the host page and in a sample, without a pointer. */
await tell(async (page, { host, token }) => {
  const { keyboard } = page;
  /** Press Tab until an element has the focus. The focus must be visible wherever it stops. */
  const tabTo = async (context, selector, key = "Tab") => {
    for (let step = 0; step < STEPS; step += 1) {
      await keyboard.press(key);
      const reached = await context.evaluate((wanted) => document.activeElement?.matches(wanted) ?? false, selector);
      if (reached) return;
    }
    throw new Error(`${STEPS} times ${key} did not reach ${selector}`);
  };
  const outline = (context) => context.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
  const outlines = [];

  await page.goto(`${host}/`);
  await page.waitForSelector("#sign-in:not([hidden])");
  await tabTo(page, "#token");
  await keyboard.insertText(token);
  await tabTo(page, "#sign-in-form button");
  outlines.push(await outline(page));
  await keyboard.press("Enter");
  await page.waitForSelector("#workplace:not([hidden])");

  await tabTo(page, "#extensions li:nth-child(2) button");
  outlines.push(await outline(page));
  await keyboard.press("Enter");
  const element = await page.waitForSelector('#stage iframe[title="Notes"]');
  const frame = await element.contentFrame();
  await frame.waitForSelector("#keep:enabled");
  await tabTo(page, "#stage iframe");
  await tabTo(frame, "#title", "Shift+Tab").catch(() => tabTo(frame, "#title"));
  outlines.push(await outline(frame));
  await keyboard.type("By keyboard");
  await tabTo(frame, "#keep");
  outlines.push(await outline(frame));
  await keyboard.press("Enter");
  await frame.waitForSelector('h2:has-text("By keyboard")');
  await tabTo(frame, "li button");
  await keyboard.press("Enter");
  await frame.waitForSelector('h2:has-text("By keyboard")', { state: "detached" });

  const before = await page.evaluate(() => document.documentElement.dataset.scheme);
  await tabTo(page, "#scheme", "Shift+Tab"); // out of the frame again
  await keyboard.press("Enter");
  const after = await page.evaluate(() => document.documentElement.dataset.scheme);
  const inFrame = await frame.evaluate(() => getComputedStyle(document.documentElement).colorScheme);
  await tabTo(page, "#sign-out");
  await keyboard.press("Enter");
  await page.waitForSelector("#sign-in:not([hidden])");
  return { outlines, before, after, inFrame };
});
