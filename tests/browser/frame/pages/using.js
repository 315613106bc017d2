/** Uses one thing that needs a part of the bridge, and reports what it gets. */

import { connect } from "@alga/extension-iframe-sdk";

const uses = {
  call: async (host) => (await host.call("/x")).status,
  confirm: (host) => host.confirm("Delete the note?", "Delete"),
  session: async (host) => host.session?.token ?? "no session",
};

const use = uses[new URLSearchParams(location.search).get("do")];
connect()
  .then(use)
  .catch((error) => error.code)
  .then((report) => parent.postMessage({ report }, "*"));
