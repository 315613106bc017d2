/** Open the message port to the host page. */

import { HostLinkError } from "./errors.js";
import { isHostMessage } from "./protocol/guards.js";
import { message } from "./protocol/messages.js";

/**
 * Send `ready` to the host page, and wait for the port that it sends back.
 *
 * The first bootstrap message is used that comes from the parent window, from the expected origin, and with exactly one
 * port. All other messages are ignored. After that, messages to the window are no longer read.
 *
 * @param frame the frame's own window
 * @param hostOrigin the origin that the host page must have; `undefined` accepts any host that the CSP's frame-ancestors
 * allows
 * @throws HostLinkError `not_framed` or `timeout`
 */
export function openPort(frame: Window, hostOrigin: string | undefined, timeoutMs: number): Promise<MessagePort> {
  const host = frame.parent;
  return new Promise((resolve, reject) => {
    if (host === frame) {
      throw new HostLinkError("not_framed", "This page works only inside its host application; open it there.");
    }
    const stop = (): void => {
      clearTimeout(timer);
      frame.removeEventListener("message", receive);
    };
    const receive = (event: MessageEvent<unknown>): void => {
      if (event.source !== host) return;
      if (hostOrigin !== undefined && event.origin !== hostOrigin) return;
      if (!isHostMessage(event.data) || event.data.type !== "bootstrap") return;
      const [port, ...others] = event.ports;
      if (port === undefined || others.length > 0) return;
      stop();
      resolve(port);
    };
    const timer = setTimeout(() => {
      stop();
      reject(new HostLinkError("timeout", `The host application did not answer within ${timeoutMs} ms.`));
    }, timeoutMs);
    frame.addEventListener("message", receive);
    // "ready" contains no secrets, so it can be sent to any origin when the host's origin is unknown.
    host.postMessage(message("ready", {}), hostOrigin ?? "*");
  });
}

/** The origin of the page around the frame; `undefined` if the browser does not reveal it. */
export function originOfHost(frame: Window): string | undefined {
  const [ancestor] = frame.location.ancestorOrigins ?? [];
  if (ancestor !== undefined) return ancestor;
  const { referrer } = frame.document;
  return referrer === "" ? undefined : new URL(referrer).origin;
}
