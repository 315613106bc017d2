import { tell } from "./browser.mjs";
import { choose, signIn } from "./host-page.mjs";

/** Have a page ask a STUN server for its address, by WebRTC; what it sends is seen by the server. */
const askByWebRtc = async (stun) => {
  const connection = new RTCPeerConnection({ iceServers: [{ urls: stun }] });
  connection.createDataChannel("x");
  await connection.setLocalDescription(await connection.createOffer());
  await new Promise((done) => {
    connection.onicegatheringstatechange = () => connection.iceGatheringState === "complete" && done();
    setTimeout(done, 3_000);
  });
  connection.close();
};

await tell(async (page, { host, token, pictures, stun, control }) => {
  await signIn(page, { host, token });
  const { element, frame } = await choose(page, "Hello");
  await frame.waitForSelector("#facts:not([hidden])");
  await frame.fill("#name", "Grace");
  await frame.click("#greet");
  await frame.waitForSelector('#greeting:has-text("Grace")');
  await page.screenshot({ path: `${pictures}/hello.png` });
  const inside = await frame.evaluate(async (outside) => {
    const attempt = async (work) => {
      try {
        return String(await work());
      } catch (error) {
        return error.name;
      }
    };
    return {
      origin: window.origin,
      cookie: await attempt(() => document.cookie),
      storage: await attempt(() => localStorage.length),
      parent: await attempt(() => window.parent.document.title),
      gateway: await attempt(async () => (await fetch(outside)).status),
      inline: await attempt(() => {
        const script = document.createElement("script");
        script.textContent = "window.ran = true";
        document.body.append(script);
        return window.ran === true;
      }),
    };
  }, `${host}/`);
  const heights = await frame.evaluate(async () => {
    const main = document.getElementById("page");
    document.body.style.margin = "40px 0 55px";
    const wanted = () => Math.ceil(document.documentElement.getBoundingClientRect().height);
    for (let rounds = 0; innerHeight !== wanted() && rounds < 600; rounds += 1)
      await new Promise(requestAnimationFrame);
    return { frame: innerHeight, document: wanted(), element: Math.ceil(main.getBoundingClientRect().height) };
  });
  await frame.evaluate(askByWebRtc, stun).catch(() => undefined);
  await page.evaluate(askByWebRtc, control);
  return {
    chromium: page.context().browser().version(),
    greeting: await frame.textContent("#greeting"),
    tenant: await frame.textContent("#tenant"),
    count: await frame.textContent("#count"),
    sandbox: await element.getAttribute("sandbox"),
    icon: await page.evaluate(() => document.querySelector("#extensions img").naturalWidth > 0),
    title: await page.textContent("#title"),
    log: await page.evaluate(() =>
      [...document.querySelectorAll("#calls tr")].map((row) => [...row.cells].map((cell) => cell.textContent.trim())),
    ),
    token_is_shown: (await page.content()).includes(token),
    inside,
    heights,
  };
});
