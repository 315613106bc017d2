/** Thirty layouts and more. Each reports the height that it needs, known from how it is made, and follows it. */

import { connect } from "@alga/extension-iframe-sdk";

const page = document.getElementById("page");
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Add a block of a height in pixels, with other styles. */
function block(height, style = "", parent = page) {
  const made = document.createElement("div");
  made.style.cssText = `height:${height}px;${style}`;
  parent.append(made);
  return made;
}

const css = (selector, style) => {
  document.querySelector(selector).style.cssText += style;
};
const picture = (height) =>
  `data:image/svg+xml,${encodeURIComponent(`<svg xmlns="http://www.w3.org/2000/svg" width="10" height="${height}"/>`)}`;

/** The last argument: what the layout needs, after it was made. */
const height = (...made) => made.at(-1);

const layouts = {
  "one block": () => height(block(400), 400),
  "the default margin of the body": () => height(css("body", "margin:8px"), block(400), 416),
  "margins of the root": () => height(css("html", "margin:20px 0"), block(300), 340),
  "a padding of the root": () => height(css("html", "padding:10px"), block(300), 320),
  "uneven margins of the body": () => height(css("body", "margin:40px 0 55px"), block(300), 395),
  "margins of the first and the last child": () => height(block(300, "margin:16px 0"), 332),
  "an overlay below the content": () => height(block(200), block(100, "position:absolute;top:500px"), 600),
  "an overlay that reaches out of its parent": () => {
    block(250, "position:absolute;top:150px", block(200, "position:relative"));
    return 400;
  },
  "an overlay in a fixed place": () => height(block(200), block(500, "position:fixed;top:20px"), 520),
  "a bar at the lower edge of the frame": () => height(block(300), block(50, "position:fixed;bottom:0"), 300),
  "a cover of the frame": () => height(block(300), block(0, "position:fixed;inset:0;height:auto"), 300),
  "content that is clipped": () => height(block(900, "", block(250, "overflow:hidden")), 250),
  "content that scrolls in an element": () => height(block(2_000, "", block(260, "overflow:auto")), 260),
  "content that reaches out of its parent": () => height(block(450, "", block(100)), 450),
  "floats without a parent that holds them": () => height(block(350, "float:left;width:50%"), 350),
  "a negative margin": () => height(block(200, "margin-bottom:-100px"), block(250), 350),
  "an element that is moved": () => height(block(300, "transform:translateY(100px)"), 400),
  "a column with gaps": () => {
    css("#page", "display:flex;flex-direction:column;gap:20px");
    for (const height of [100, 100, 100]) block(height);
    return 340;
  },
  "a grid": () => {
    css("#page", "display:grid;grid-template:150px 150px / 1fr 1fr");
    for (let count = 0; count < 4; count++) block(20);
    return 300;
  },
  "a table": () => {
    const table = document.createElement("table");
    table.style.cssText = "border-spacing:0;height:320px";
    table.insertRow().insertCell().append("One cell");
    page.append(table);
    return 320;
  },
  "two columns of text": () => {
    css("#page", "columns:2;column-fill:balance");
    for (let count = 0; count < 6; count++) block(100, "break-inside:avoid");
    return 300;
  },
  "a shadow": () => height(block(300, "box-shadow:0 50px 50px red"), 300),
  "an outline": () => height(block(300, "outline:40px solid red"), 300),
  "an invisible element": () => height(block(280, "visibility:hidden"), 280),
  "an element that is not shown": () => height(block(200), block(700, "display:none"), 200),
  "half a pixel": () => height(block(300.5), 301),
  "lines of text": () => {
    const text = document.createElement("pre");
    text.style.cssText = "margin:0;line-height:20px;font-size:12px";
    text.textContent = "x\n".repeat(20);
    page.append(text);
    return 400;
  },
  "a picture": () => {
    page.append(Object.assign(new Image(), { src: picture(220), style: "display:block" }));
    return 220;
  },
  "a dialog that is not modal": () => {
    const dialog = document.createElement("dialog");
    dialog.style.cssText = "position:absolute;top:300px;height:200px;margin:0;padding:0;border:0";
    block(100);
    page.append(dialog);
    dialog.show();
    return 500;
  },
  "a popover": () => {
    const made = block(150, "position:fixed;inset:250px auto auto 0;margin:0;padding:0;border:0");
    made.popover = "manual";
    made.showPopover();
    block(120);
    return 400;
  },
  "a sticky element": () => height(block(50, "position:sticky;top:0"), block(300), 350),
  "a full height with more content": () =>
    height(css("html", "height:100%"), css("body", "height:100%"), block(300), 300),
  "content that comes later": async () => height(block(200), await sleep(100), block(300), 500),
  "content that goes": async () => {
    block(250);
    const gone = block(650);
    await sleep(100);
    gone.remove();
    return 250;
  },
  "an overlay that comes and goes": async () => {
    block(250);
    const gone = block(650, "position:absolute;top:100px");
    await sleep(100);
    gone.style.display = "none";
    return 250;
  },
  "text that changes": async () => {
    const text = document.createElement("pre");
    text.style.cssText = "margin:0;line-height:20px;font-size:12px";
    text.append(document.createTextNode("x\n".repeat(10)));
    page.append(text);
    await sleep(100);
    text.firstChild.data = "x\n".repeat(25);
    return 500;
  },
  "a field that grows": async () => {
    const field = document.createElement("textarea");
    field.style.cssText = "display:block;box-sizing:border-box;height:150px";
    page.append(field);
    await sleep(100);
    field.style.height = "350px";
    return 350;
  },
  "a height that changes slowly": async () => {
    const made = block(200, "transition:height 100ms");
    await sleep(50);
    made.style.height = "500px";
    await sleep(150);
    return 500;
  },
  "a picture that is loaded late": async () => {
    const late = Object.assign(new Image(), { style: "display:block" });
    page.append(late);
    await sleep(100);
    late.src = picture(330);
    return 330;
  },
  // These are as high as their frame, and more: they must come to an end.
  "endless: the frame's height and a margin": () =>
    height(css("body", "margin:8px"), css("#page", "min-height:100vh"), 0),
  "endless: the frame's height, content and a margin": () => {
    css("body", "margin:8px");
    css("#page", "min-height:100vh");
    block(500);
    return 0;
  },
  "endless: more than the frame's height": () => height(css("#page", "min-height:120vh"), 0),
  "endless: the frame's height and an overlay below": () => height(block(50, "position:absolute;top:100vh"), 0),
};

const name = new URLSearchParams(location.search).get("do");
if (name === "names") {
  parent.postMessage({ report: Object.keys(layouts) }, "*");
} else {
  css("body", "margin:0");
  connect().then(async (host) => {
    host.followHeight();
    parent.postMessage({ report: await layouts[name]() }, "*");
  });
}
