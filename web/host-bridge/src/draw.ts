/** Elements that the bridge shows. Their styles are set by script, which no `style-src` of a host forbids. */

const TEXT =
  "font:var(--alga-font-size,1rem)/1.5 var(--alga-font-family,system-ui,sans-serif);color:var(--alga-fg,CanvasText)";
const BUTTON = `${TEXT};padding:.4em 1em;border-radius:var(--alga-radius,.5rem);cursor:pointer;`;
export const PLAIN_BUTTON = `${BUTTON}border:1px solid var(--alga-border,GrayText);background:none`;
export const MAIN_BUTTON = `${BUTTON}border:1px solid transparent;background:var(--alga-primary,CanvasText);color:var(--alga-primary-foreground,Canvas)`;
export const PANEL = `${TEXT};background:var(--alga-card-bg,Canvas);border:1px solid var(--alga-border,GrayText);border-radius:var(--alga-radius,.5rem);padding:1.25rem;box-sizing:border-box;max-width:min(30rem,90vw);overflow-wrap:anywhere`;
export const COVER = `${TEXT};background:var(--alga-bg,Canvas);position:absolute;inset:0;display:flex;flex-direction:column;align-items:center;justify-content:center;gap:.75rem;padding:1rem;box-sizing:border-box;text-align:center`;

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

export function button(document: Document, style: string, text: string, onClick: () => void): HTMLButtonElement {
  const made = draw(document, "button", style, text);
  made.type = "button";
  made.addEventListener("click", onClick);
  return made;
}
