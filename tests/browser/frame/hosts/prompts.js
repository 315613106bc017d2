/** A page between two buttons of its host. The test clicks and types; what the page was answered is kept. */

import { mountExtension } from "@alga/host-bridge";

import { address, echo } from "./harness.js";

const scheme = new URLSearchParams(location.search).get("scheme") ?? "light";
const dark = {
  bg: "#101418",
  fg: "#e7ebef",
  "card-bg": "#171d23",
  border: "#76828e",
  primary: "#8db6ff",
  "primary-foreground": "#0a1a33",
};
document.documentElement.style.colorScheme = scheme;

const button = (text) =>
  document.body.appendChild(Object.assign(document.createElement("button"), { textContent: text }));
button("Before").id = "before";
globalThis.mounted = mountExtension({
  container: document.body.appendChild(document.createElement("main")),
  src: address("asking"),
  title: "Notes",
  label: "Notes of the team",
  callApi: echo,
  theme: { "color-scheme": scheme, ...(scheme === "dark" && dark) },
});
button("After").id = "after";
globalThis.reports = [];
addEventListener("message", ({ data }) => data.report !== undefined && reports.push(data.report));
