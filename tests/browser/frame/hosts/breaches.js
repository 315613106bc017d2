/** Which violations of their policy the browser finds in pages that breach it, and in one that does not. */

import { evil, finish, hits, mount } from "./harness.js";

finish(async () => {
  const listing = mount("breach", "names");
  const names = await listing.report();
  listing.unmount();
  const found = await Promise.all(
    names.map(async (name) => {
      const frame = mount("breach", name, { query: { evil } });
      const report = await frame.report(5_000);
      frame.unmount();
      return [name, report];
    }),
  );
  return { found: Object.fromEntries(found), hits: await hits() };
});
