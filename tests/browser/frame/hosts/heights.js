/** Every layout in a frame that is too small, and in one that is too large: which height it gets. */

import { finish, mount, sleep, until } from "./harness.js";

const TOGETHER = 6;

async function followed(name, start) {
  const frame = mount("layouts", name);
  if (start !== undefined) frame.iframe.style.height = `${start}px`;
  const wanted = await frame.report();
  const height = () => frame.iframe.getBoundingClientRect().height;
  if (name.startsWith("endless")) await sleep(700);
  else await until(() => Math.abs(height() - wanted) <= 1, 8_000);
  await sleep(150); // and it must stay there
  const found = { name, start: start ?? 100, wanted, height: height(), asked: frame.heights };
  frame.unmount();
  return found;
}

finish(async () => {
  const listing = mount("layouts", "names");
  const names = await listing.report();
  listing.unmount();
  const cases = [
    ...names.map((name) => [name]),
    ...names.filter((name) => !/endless|full height/.test(name)).map((name) => [name, 1_500]),
  ];
  const found = [];
  while (cases.length > 0) {
    found.push(...(await Promise.all(cases.splice(0, TOGETHER).map(([name, start]) => followed(name, start)))));
  }
  return found;
});
