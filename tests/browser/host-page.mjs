/** What scripts do on the demonstration page of the host application. */

export async function signIn(page, { host, token }) {
  await page.goto(`${host}/`);
  await page.fill("#token", token);
  await page.click("#sign-in-form button");
  await page.waitForSelector("#workplace:not([hidden])");
}

/** Choose an extension by its label, and return its iframe and the frame in it. */
export async function choose(page, label) {
  await page.click(`#extensions button:has-text("${label}")`);
  const element = await page.waitForSelector(`#stage iframe[title="${label}"]`);
  return { element, frame: await element.contentFrame() };
}
