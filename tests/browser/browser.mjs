/** What every browser script shares: read what is given, open Chromium, answer, close. */

import { chromium } from "playwright-core";

const QUIET = [
  "--no-sandbox", // the tests may run as root, where Chromium's own sandbox cannot
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
];

async function given() {
  const parts = [];
  for await (const part of process.stdin) parts.push(part);
  return JSON.parse(Buffer.concat(parts).toString("utf8"));
}

/** Run `story(page, given)` in a fresh browser and print what it returns as the last line. */
export async function tell(story) {
  const input = await given();
  const browser = await chromium.launch({ executablePath: input.chromium, args: QUIET });
  try {
    const page = await browser.newPage({ viewport: { width: 1180, height: 760 } });
    page.setDefaultTimeout(20_000);
    const complaints = [];
    page.on("pageerror", (error) => complaints.push(String(error)));
    page.on("console", (line) => line.type() === "error" && complaints.push(line.text()));
    try {
      const result = await story(page, input);
      console.log(JSON.stringify({ ...result, complaints }));
    } catch (error) {
      await page.screenshot({ path: `${input.pictures}/failed.png` });
      throw error;
    }
  } finally {
    await browser.close();
  }
}
