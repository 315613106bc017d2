/** A good page whose host is hostile. It keeps a secret, and reports what happened to it. */

import { connect } from "@alga/extension-iframe-sdk";

globalThis.secret = "the secret";
document.body.append("the secret");
document.body.style.backgroundImage = "var(--alga-primary)";

const query = new URLSearchParams(location.search);
const report = (value) => parent.postMessage({ report: value }, "*");
const expected = query.get("hostOrigin");

connect({ timeoutMs: Number(query.get("patience") ?? 8_000), ...(expected !== null && { hostOrigin: expected }) }).then(
  (host) => {
    report("connected");
    host.onChange(() => {
      const style = document.documentElement.style;
      report({
        unknown: style.getPropertyValue("--alga-unknown"),
        polluted: {}.polluted ?? null,
        primary: style.getPropertyValue("--alga-primary"),
        origin: window.origin,
      });
    });
    if (query.get("do") === "calls") {
      host.call("/x", { timeoutMs: 2_000 }).then(
        () => report("answered"),
        (error) => report(error.code),
      );
    }
  },
  (error) => report(error.code),
);
