/** Elements that the bridge shows. Their styles are set by script, which no `style-src` of a host forbids. */

export const TEXT =
  "font:var(--alga-font-size,1rem)/1.5 var(--alga-font-family,system-ui,sans-serif);color:var(--alga-fg,CanvasText);box-sizing:border-box;";
export const BUTTON = `${TEXT}padding:.4em 1em;border:1px solid var(--alga-border,GrayText);border-radius:var(--alga-radius,.5rem);background:none;cursor:pointer;`;

/** Make an element with a style and children; texts are never read as HTML. */
export function draw<Name extends keyof HTMLElementTagNameMap>(
  document: Document,
  name: Name,
  style: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[Name] {
  const element = document.createElement(name);
  element.style.cssText = style;
  element.append(...children);
  return element;
}

export function button(document: Document, text: string, onClick: () => void): HTMLButtonElement {
  const made = draw(document, "button", BUTTON, text);
  made.type = "button";
  made.addEventListener("click", onClick);
  return made;
}
