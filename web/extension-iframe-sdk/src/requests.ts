import { HostLinkError } from "./errors.js";
import { type FrameMessage, message } from "./protocol/messages.js";

export interface Patience {
  /** Gives the request up: the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  readonly timeoutMs: number;
}

interface Waiting {
  readonly resolve: (payload: unknown) => void;
  readonly end: () => void;
}

/** Requests over the port; an id joins each to its answer. */
export class Requests {
  readonly #port: MessagePort;
  readonly #waiting = new Map<string, Waiting>();
  #last = 0;

  constructor(port: MessagePort) {
    this.#port = port;
  }

  /** Send a request and wait for the payload of its answer. @throws HostLinkError `timeout`, or the signal's reason */
  send<Type extends FrameMessage["type"]>(
    type: Type,
    payload: Extract<FrameMessage, { type: Type }>["payload"],
    { signal, timeoutMs }: Patience,
  ): Promise<unknown> {
    const id = String(++this.#last);
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const giveUp = (reason: unknown): void => {
        waiting.end();
        this.#port.postMessage(message("abort", {}, id));
        reject(reason);
      };
      const onAbort = (): void => giveUp(signal?.reason);
      const timer = setTimeout(
        () => giveUp(new HostLinkError("timeout", `The host application did not answer within ${timeoutMs} ms.`)),
        timeoutMs,
      );
      const waiting = {
        resolve,
        end: () => {
          this.#waiting.delete(id);
          clearTimeout(timer);
          signal?.removeEventListener("abort", onAbort);
        },
      };
      signal?.addEventListener("abort", onAbort);
      this.#waiting.set(id, waiting);
      this.#port.postMessage(message(type, payload, id));
    });
  }

  /** Handle an answer; drop it if its id is unknown or its request was given up. */
  settle(id: string | undefined, payload: unknown): void {
    const waiting = id === undefined ? undefined : this.#waiting.get(id);
    waiting?.end();
    waiting?.resolve(payload);
  }
}
