// @ts-check
import "@alga/extension-iframe-sdk/base.css"; // the page looks like its host; style.css only places things
import { connect, refusalOf } from "@alga/extension-iframe-sdk";

/** @typedef {{ id: string, title: string, text: string, created_at: string }} Note */
/** @typedef {import("@alga/extension-iframe-sdk").Host} Host */

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const list = element("notes");
const titleField = /** @type {HTMLInputElement} */ (element("title"));
const textField = /** @type {HTMLTextAreaElement} */ (element("text"));
const template = /** @type {HTMLTemplateElement} */ (element("note"));

/**
 * Call an endpoint and return its JSON; an error status becomes an error with the sentence of who refused.
 *
 * @param {Host} host
 * @param {string} route
 * @param {import("@alga/extension-iframe-sdk").CallOptions} [options]
 * @returns {Promise<any>}
 */
async function ask(host, route, options) {
  const response = await host.call(route, options);
  if (!response.ok) throw new Error(refusalOf(response).detail);
  return response.body.length > 0 ? response.json() : undefined;
}

/**
 * All notes, page by page.
 *
 * @param {Host} host
 * @returns {Promise<Note[]>}
 */
async function load(host) {
  const notes = [];
  let cursor = null;
  do {
    const query = cursor === null ? "" : `?cursor=${encodeURIComponent(cursor)}`;
    const page = await ask(host, `/notes${query}`);
    notes.push(...page.notes);
    cursor = page.next_cursor;
  } while (cursor !== null);
  return notes;
}

/**
 * @param {Host} host
 * @param {Note} note
 */
function show(host, note) {
  const item = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  const part = (/** @type {string} */ selector) => /** @type {HTMLElement} */ (item.querySelector(selector));
  const row = part("li");
  part("h2").textContent = note.title;
  part("p").textContent = note.text;
  part("time").textContent = new Date(note.created_at).toLocaleString();
  part("button").addEventListener("click", () => {
    act(async () => {
      await ask(host, `/notes/${encodeURIComponent(note.id)}`, { method: "DELETE" });
      row.remove();
    });
  });
  list.prepend(item);
}

/**
 * Do something the user asked for, and say what went wrong if it did.
 *
 * @param {() => Promise<void>} work
 */
async function act(work) {
  try {
    await work();
    element("message").textContent = list.children.length === 0 ? "No notes yet." : "";
  } catch (error) {
    element("message").textContent = error instanceof Error ? error.message : String(error);
  }
}

act(async () => {
  const host = await connect();
  host.followHeight();
  for (const note of await load(host)) show(host, note);
  const keep = /** @type {HTMLButtonElement} */ (element("keep"));
  keep.disabled = false; // until here a click would have gone nowhere
  keep.addEventListener("click", () => {
    act(async () => {
      const draft = { title: titleField.value, text: textField.value };
      show(host, await ask(host, "/notes", { json: draft }));
      titleField.value = textField.value = "";
      titleField.focus();
    });
  });
  titleField.addEventListener("keydown", (event) => {
    if (event.key === "Enter") keep.click();
  });
});
