// @ts-check
import "@alga/extension-iframe-sdk/base.css"; // the page looks like its host; style.css only places things
import { connect } from "@alga/extension-iframe-sdk";

/** @param {string} id */
const element = (id) => /** @type {HTMLElement} */ (document.getElementById(id));
const nameField = /** @type {HTMLInputElement} */ (element("name"));

/** @param {import("@alga/extension-iframe-sdk").Host} host */
async function greet(host) {
  const [hello, count] = await Promise.all([
    host.call(`/hello?name=${encodeURIComponent(nameField.value)}`),
    host.call("/count"),
  ]);
  if (!hello.ok || !count.ok) throw new Error(`The extension answered ${hello.status} and ${count.status}.`);

  const { greeting, tenant, request_id } = /** @type {Record<string, string>} */ (hello.json());
  element("greeting").textContent = greeting ?? "";
  element("tenant").textContent = tenant ?? "";
  element("request").textContent = request_id ?? "";
  element("count").textContent = String(/** @type {{ count: number }} */ (count.json()).count);
  element("facts").hidden = false;
}

/** @param {unknown} error */
function showError(error) {
  element("greeting").textContent = error instanceof Error ? error.message : String(error);
}

async function start() {
  const host = await connect();
  host.followHeight();
  const button = /** @type {HTMLButtonElement} */ (element("greet"));
  button.disabled = false; // until here a click would have gone nowhere
  button.addEventListener("click", () => {
    greet(host).catch(showError);
  });
  nameField.addEventListener("keydown", (event) => {
    if (event.key === "Enter") button.click();
  });
  await greet(host);
}

start().catch(showError);
