/** Access to the parts of the page by id. */

export function part<Element extends HTMLElement = HTMLElement>(id: string): Element {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`The page has no #${id}.`);
  return found as Element;
}

/** Copy the single element of a template, and fill in texts by class name. */
export function fromTemplate(id: string, texts: Readonly<Record<string, string>>): HTMLElement {
  const copy = part<HTMLTemplateElement>(id).content.firstElementChild?.cloneNode(true) as HTMLElement;
  for (const [name, text] of Object.entries(texts)) {
    const target = copy.querySelector(`.${name}`);
    if (target !== null) target.textContent = text;
  }
  return copy;
}

/** Show one of the two views. */
export function show(view: "sign-in" | "workplace"): void {
  part("sign-in").hidden = view !== "sign-in";
  part("workplace").hidden = view !== "workplace";
  part("sign-out").hidden = view !== "workplace";
}
