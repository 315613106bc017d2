/** Getting hold of the port to the host page. */

import { HostLinkError } from "./errors.js";
import { isHostMessage } from "./protocol/guards.js";
import { message } from "./protocol/messages.js";

/**
 * Tell the host page that the frame is ready, and wait for the port it hands over.
 *
 * Only the first bootstrap counts that comes from the parent window itself, from the expected origin, and brings
 * exactly one port. From then on the window is not listened to any more.
 *
 * @param frame the frame's own window
 * @param hostOrigin the origin the host page must have; `undefined` leaves the choice to the CSP's frame-ancestors
 * @throws HostLinkError `not_framed` or `timeout`
 */
export function openPort(frame: Window, hostOrigin: string | undefined, timeoutMs: number): Promise<MessagePort> {
  const host = frame.parent;
  if (host === frame) {
    return Promise.reject(new HostLinkError("not_framed", "This page works inside its host application only."));
  }
  return new Promise((resolve, reject) => {
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
      reject(new HostLinkError("timeout", "The host application did not answer."));
    }, timeoutMs);
    frame.addEventListener("message", receive);
    // "ready" says nothing secret, and where the host's origin is unknown it has to reach any.
    host.postMessage(message("ready", {}), hostOrigin ?? "*");
  });
}

/** The origin of the page around the frame, as far as the browser tells it. */
export function originOfHost(frame: Window): string | undefined {
  const [ancestor] = frame.location.ancestorOrigins ?? [];
  if (ancestor !== undefined) return ancestor;
  const { referrer } = frame.document;
  return referrer === "" ? undefined : new URL(referrer).origin;
}
