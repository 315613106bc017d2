/** Takes the place of the host application: sign in with a token, choose an extension, see its page. */

import { fromTemplate, part, show } from "./page.js";
import { type MenuEntry, Platform, Refusal } from "./platform.js";
import { Stage } from "./stage.js";
import { currentScheme, setScheme } from "./theme.js";

/** Key in the session storage, which is for this tab only; with it, a reload does not sign out. */
const TOKEN_KEY = "token";

let stage: Stage | undefined;

async function signIn(token: string): Promise<void> {
  const platform = new Platform(token);
  const entries = await platform.menu();
  sessionStorage.setItem(TOKEN_KEY, token);
  stage = new Stage(platform);
  part("who").textContent = describe(token);
  showMenu(entries, stage);
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

/** The hooks of this application, in the order of its menu. One application shows both here; a real one has two. */
const HOOKS: readonly (readonly [string, string])[] = [
  ["appMenu", "Extensions"],
  ["clientPortalMenu", "Client portal"],
];

function showMenu(entries: readonly MenuEntry[], target: Stage): void {
  part("notice").hidden = entries.length > 0;
  part("title").textContent = "No extensions"; // until one is shown
  const items = new Map(entries.map((entry) => [entry, itemOf(entry)] as const));
  const groups = HOOKS.map(([hook, heading]) => {
    const group = fromTemplate("menu-group", { heading });
    const own = entries.filter((entry) => entry.hook === hook).flatMap((entry) => items.get(entry) ?? []);
    group.querySelector("ul")?.append(...own);
    return own.length > 0 ? [group] : [];
  });
  part("extensions").replaceChildren(...groups.flat());

  function itemOf(entry: MenuEntry): HTMLElement {
    const item = fromTemplate("menu-entry", { label: entry.label });
    const icon = item.querySelector("img");
    if (entry.icon === null) icon?.remove();
    else icon?.setAttribute("src", entry.icon);
    item.firstElementChild?.addEventListener("click", () => open(entry, entry.paths[0] ?? "/"));
    return item;
  }

  function open(entry: MenuEntry, path: string): void {
    for (const [other, item] of items) {
      if (other === entry) item.firstElementChild?.setAttribute("aria-current", "page");
      else item.firstElementChild?.removeAttribute("aria-current");
    }
    const showPath = (shown: string): void =>
      history.replaceState(null, "", `#/${entry.hook}/${entry.install_id}${shown}`);
    showPath(path);
    target.show(entry, path, showPath);
  }

  const [, hook, install, path] = /^#\/([^/]+)\/([^/]+)(\/.*)$/.exec(location.hash) ?? [];
  const wanted = entries.find((entry) => entry.hook === hook && entry.install_id === install);
  const first = wanted ?? entries[0];
  if (first !== undefined) open(first, wanted !== undefined && path !== undefined ? path : (first.paths[0] ?? "/"));
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
