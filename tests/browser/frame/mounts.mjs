/** Mount and unmount extensions, and read what the page and the browser count before and after. */

import { tell } from "../browser.mjs";

await tell(async (page, { url, count }) => {
  await page.goto(url);
  const browser = await page.context().newCDPSession(page);
  await browser.send("Performance.enable");
  await browser.send("HeapProfiler.enable");
  const measured = async () => {
    for (let round = 0; round < 3; round++) await browser.send("HeapProfiler.collectGarbage");
    const { metrics } = await browser.send("Performance.getMetrics");
    const value = (name) => metrics.find((metric) => metric.name === name).value;
    return {
      documents: value("Documents"),
      nodes: value("Nodes"),
      listeners: value("JSEventListeners"),
      frames: value("Frames"),
    };
  };
  await page.evaluate(() => rounds(5)); // what is made once: the proof of frame-src, compiled code
  const before = { page: await page.evaluate(() => rounds(0)), browser: await measured() };
  const after = { page: await page.evaluate((rounds_) => rounds(rounds_), count), browser: await measured() };
  return { before, after };
});
