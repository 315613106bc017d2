/** A page that does as it should: it calls its handler whenever the host changes something, and obeys some themes. */

import { connect } from "@alga/extension-iframe-sdk";

const ORDERS = {
  "#reload": () => location.reload(),
  "#next": () => location.assign(`${location.pathname}?page=2`),
  "#away": () => location.assign(location.pathname.replace("/good/", "/silent/")),
};

/** Two at once, as components of one page do it. */
Promise.all([connect(), connect()]).then(([host, same]) => {
  host.onChange(() => {
    const { primary } = host.theme;
    ORDERS[primary]?.();
    void host.call(`/alive?primary=${encodeURIComponent(primary)}&path=${encodeURIComponent(host.path)}`);
  });
  host.followHeight();
  parent.postMessage({ report: host === same ? "connected" : "two links" }, "*");
});
