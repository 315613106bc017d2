/** Frames the vault from wherever this page is, or frames the host page that does so; reports whether the vault ran. */

import { mountExtension } from "@alga/host-bridge";

import { address, evil, host } from "./harness.js";

const report = (value) => parent.postMessage({ report: value }, "*");
const nested = new URLSearchParams(location.search).get("nested");

if (nested !== null) {
  const between = document.createElement("iframe");
  between.src = `${evil}/none/frames-the-page`;
  addEventListener("message", ({ source, data }) => source === between.contentWindow && report(data.report));
  document.body.append(between);
} else {
  let said = "the page never ran";
  const iframe = document.createElement("iframe");
  iframe.setAttribute("sandbox", "allow-scripts");
  iframe.src = address("vault");
  addEventListener("message", ({ source }) => {
    if (source === iframe.contentWindow) said = "the page ran";
  });
  document.body.append(iframe);
  const mounted =
    window.origin === "null" &&
    mountExtension({
      container: document.body,
      src: address("vault"),
      title: "Vault",
      callApi: () => Promise.reject(new Error("not called")),
    });
  setTimeout(() => report([said, mounted ? mounted.failure : host !== window.origin]), 1_500);
}
