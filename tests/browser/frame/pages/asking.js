/** Asks its host to draw. */

import "@alga/extension-iframe-sdk/base.css";

import { connect } from "@alga/extension-iframe-sdk";

const page = document.getElementById("page");
const report = (value) => parent.postMessage({ report: value }, "*");

connect().then((host) => {
  host.followHeight();
  const button = (id, text, onClick) => {
    const made = Object.assign(document.createElement("button"), { id, textContent: text });
    made.addEventListener("click", () => onClick().then(report, (error) => report(error.code)));
    page.append(made);
  };
  page.append(Object.assign(document.createElement("h1"), { textContent: "Notes" }));
  page.append(Object.assign(document.createElement("p"), { textContent: "A page without a design of its own." }));
  button("delete", "Delete", () => host.confirm("Delete the note?\nIt cannot be undone.", "Delete"));
  button("export", "Export", () => host.download("notes.csv", new TextEncoder().encode("a,b\n")));
  button("save", "Save", async () => host.notify("Saved", "success"));
  report("connected");
});
