/** What is checked beside showing a page. It is loaded after a mount. */

import type { Failure } from "../bootstrap-iframe.js";

/** How long to wait for the browser to say that it blocked the probe. Blocking takes milliseconds. */
const WAIT_MS = 2_000;

const checks = new WeakMap<Document, Map<string, Promise<boolean>>>();
const warned = new WeakSet<Document>();

/**
 * Prove that no frame of this page can go elsewhere: once for a page and a set of origins.
 *
 * A hidden frame is sent to an address that must be forbidden. The browser then reports a violation of a policy that it
 * enforces, with the whole policy, in which each source of `frame-src` must be a UI origin: one blocked address would
 * prove nothing about others. Policies in which another directive stands for `frame-src` are not accepted.
 */
export function admitsOnly(document: Document, uiOrigins: readonly string[]): Promise<boolean> {
  const known = checks.get(document) ?? new Map<string, Promise<boolean>>();
  checks.set(document, known);
  const key = [...uiOrigins].sort().join(" ");
  const check = known.get(key) ?? probe(document, uiOrigins);
  known.set(key, check);
  return check;
}

function probe(document: Document, uiOrigins: readonly string[]): Promise<boolean> {
  const forbidden = `https://frame-src-probe-${crypto.getRandomValues(new Uint32Array(1))[0]}.invalid`;
  const frame = document.createElement("iframe");
  frame.hidden = true;
  frame.setAttribute("sandbox", "");
  frame.src = `${forbidden}/`;
  return new Promise((resolve) => {
    const finish = (proved: boolean): void => {
      clearTimeout(timer);
      document.removeEventListener("securitypolicyviolation", onViolation);
      frame.remove();
      resolve(proved);
    };
    const onViolation = (event: SecurityPolicyViolationEvent): void => {
      // A policy that is only reported raises this event too. Each enforced policy raises its own.
      if (!event.blockedURI.startsWith(forbidden) || event.disposition !== "enforce") return;
      if (frameSourcesAre(event.originalPolicy, uiOrigins)) finish(true);
    };
    const timer = setTimeout(finish, WAIT_MS, false);
    document.addEventListener("securitypolicyviolation", onViolation);
    document.body.append(frame);
  });
}

/** Tell whether a policy has `frame-src`, and each of its sources is one of these origins. Pure. */
export function frameSourcesAre(policy: string, origins: readonly string[]): boolean {
  const directives = policy.split(";").map((directive) => directive.trim().split(/\s+/));
  const [, ...sources] = directives.find(([name]) => name?.toLowerCase() === "frame-src") ?? [];
  return sources.length > 0 && sources.every((source) => origins.includes(source.toLowerCase().replace(/\/$/, "")));
}

/** Write a warning, once for a page, if its frames can go elsewhere. */
export async function warnUnlessProved(document: Document, uiOrigins: readonly string[]): Promise<void> {
  if (warned.has(document) || (await admitsOnly(document, uiOrigins)) || warned.has(document)) return;
  warned.add(document);
  console.warn(
    `The frames of this page can go to any address, because its policy does not forbid it. Send "${wantedHeader(uiOrigins)}".`,
  );
}

/** Write what a host's developer can do about a page that is not shown. */
export function explain(
  why: Failure,
  { title, oldPages }: { readonly title: string; readonly oldPages?: boolean },
  uiOrigins: readonly string[],
): void {
  if (why !== "old_page_refused") return;
  const remedy =
    oldPages === false
      ? "this page shows it with oldPages: false"
      : `to show it, this page must send "${wantedHeader(uiOrigins)}", and frame no other origin`;
  console.error(`"${title}" was built for AlgaPSA's SDK: ${remedy}.`);
}

/** The header that would have made the check succeed. */
function wantedHeader(uiOrigins: readonly string[]): string {
  return `Content-Security-Policy: frame-src ${uiOrigins.join(" ")}`;
}

/** Ask the UI host with which status it answers; 0 if this page may not ask it, or it cannot be reached. */
export async function statusOf(url: URL, signal: AbortSignal): Promise<number> {
  try {
    return (await fetch(url, { method: "HEAD", credentials: "omit", cache: "no-store", signal })).status;
  } catch {
    return 0;
  }
}
