/** Breaches of the page's content security policy, one of each kind. Each reports the violations that the browser raised. */

const evil = new URLSearchParams(location.search).get("evil");
const violations = [];
addEventListener("securitypolicyviolation", ({ disposition, effectiveDirective }) => {
  violations.push(`${disposition} ${effectiveDirective}`);
});

const make = (name, members) => document.body.appendChild(Object.assign(document.createElement(name), members));

const breaches = {
  "no breach": () => document.body.append("text"),
  "a script in the page": () => make("script", { textContent: "globalThis.ran = 1" }),
  "text as a script": () => new Function("return 1"),
  "a script of the attacker": () => make("script", { src: `${evil}/script.js` }),
  "a handler in an attribute": () => make("b", { innerHTML: "<i onclick='ran = 1'></i>" }).firstChild.click(),
  "a style sheet of the attacker": () => make("link", { rel: "stylesheet", href: `${evil}/style.css` }),
  "a picture of the attacker": () => make("img", { src: `${evil}/picture` }),
  "a request to the attacker": () => fetch(`${evil}/fetch`),
  "a font of the attacker": () => new FontFace("evil", `url(${evil}/font)`).load(),
  "a video of the attacker": () => make("video", { src: `${evil}/video` }),
  "a frame of the attacker": () => make("iframe", { src: `${evil}/frame` }),
  "a plug-in of the attacker": () => make("embed", { src: `${evil}/plugin`, type: "application/pdf" }),
  "another base of addresses": () =>
    document.head.append(Object.assign(document.createElement("base"), { href: evil })),
};

const name = new URLSearchParams(location.search).get("do");
if (name === "names") parent.postMessage({ report: Object.keys(breaches) }, "*");
else {
  try {
    Promise.resolve(breaches[name]()).catch(() => undefined);
  } catch {
    // text as a script is an error
  }
  setTimeout(() => parent.postMessage({ report: violations }, "*"), 400);
}
