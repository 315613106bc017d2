/** Takes the place of the host application: sign in with a token, choose an extension, see its page. */

import { fromTemplate, part, show } from "./page.js";
import { type Install, Platform, Refusal } from "./platform.js";
import { Stage } from "./stage.js";
import { currentScheme, setScheme } from "./theme.js";

/** Key in the session storage, which is for this tab only; with it, a reload does not sign out. */
const TOKEN_KEY = "token";

let stage: Stage | undefined;

async function signIn(token: string): Promise<void> {
  const platform = new Platform(token);
  const installs = await platform.installsWithPage();
  sessionStorage.setItem(TOKEN_KEY, token);
  stage = new Stage(platform);
  part("who").textContent = describe(token);
  listExtensions(installs, stage);
  show("workplace");
}

function signOut(): void {
  sessionStorage.removeItem(TOKEN_KEY);
  stage?.clear();
  stage = undefined;
  part("who").textContent = "";
  history.replaceState(null, "", location.pathname);
  show("sign-in");
}

function listExtensions(installs: readonly Install[], target: Stage): void {
  const notice = part("notice");
  notice.hidden = installs.length > 0;
  notice.textContent = "This tenant has no extension with a page.";
  const items = installs.map((install) => {
    const item = fromTemplate("extension-item", { name: install.name, version: install.version });
    item.firstElementChild?.addEventListener("click", () => open(install, "/"));
    return item;
  });
  part("extensions").replaceChildren(...items);

  function open(install: Install, path: string): void {
    for (const [at, item] of items.entries()) {
      item.firstElementChild?.setAttribute("aria-current", installs[at] === install ? "page" : "false");
    }
    const showPath = (shown: string): void => history.replaceState(null, "", `#/${install.name}${shown}`);
    showPath(path);
    target.show(install, path, showPath);
  }

  const [, wanted, path] = /^#\/([^/]+)(\/.*)$/.exec(location.hash) ?? [];
  const first = installs.find((install) => install.name === wanted) ?? installs[0];
  if (first !== undefined) open(first, first.name === wanted && path !== undefined ? path : "/");
}

/** The name and tenant in a token; only for display, because the token is not verified here. */
function describe(token: string): string {
  try {
    const [, payload = ""] = token.split(".");
    const text = atob(payload.replaceAll("-", "+").replaceAll("_", "/"));
    const claims = JSON.parse(text) as { tenant_id?: string; name?: string; sub?: string };
    return [claims.name ?? claims.sub, claims.tenant_id].filter(Boolean).join(" · ");
  } catch {
    return "";
  }
}

/** Sign in with a code that the start of the platform printed. */
function exchange(code: string): Promise<void> {
  return trying(async () => {
    const response = await fetch("sign-in", { method: "POST", body: code });
    if (!response.ok) throw new Refusal(response.status, "This sign-in line was used already, or has expired.");
    await signIn(await response.text());
  });
}

function attempt(token: string): Promise<void> {
  return trying(() => signIn(token));
}

async function trying(signingIn: () => Promise<void>): Promise<void> {
  const refused = part("refused");
  refused.hidden = true;
  try {
    await signingIn();
  } catch (error) {
    signOut();
    refused.textContent = error instanceof Refusal ? error.message : "The platform cannot be reached.";
    refused.hidden = false;
  }
}

part<HTMLFormElement>("sign-in-form").addEventListener("submit", (event) => {
  event.preventDefault();
  void attempt(part<HTMLTextAreaElement>("token").value.trim());
});
part("sign-out").addEventListener("click", signOut);
part("scheme").addEventListener("click", () => {
  setScheme(currentScheme() === "dark" ? "light" : "dark");
  stage?.themeChanged();
});

setScheme(matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
// The address may have a one-use code, as #code=…. A fragment is never sent to a server; it is removed from the address.
const [, code] = /^#code=([\w-]+)$/.exec(location.hash) ?? [];
if (code !== undefined) {
  history.replaceState(null, "", location.pathname);
  void exchange(code);
} else {
  const token = sessionStorage.getItem(TOKEN_KEY);
  if (token === null) show("sign-in");
  else void attempt(token);
}
