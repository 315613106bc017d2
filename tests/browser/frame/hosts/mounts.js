/** Mounts and unmounts that are counted: `rounds(n)` is called by the test, which also reads the browser's own counters. */

import { mountExtension } from "@alga/host-bridge";
import { address, echo } from "./harness.js";

const counts = { ports: 0 };
/** The listeners of window and document; removing one that is not there changes nothing. */
const listeners = new Map();

for (const target of [window, document]) {
  const { addEventListener, removeEventListener } = target;
  target.addEventListener = (type, listener, options) => {
    listeners.set(listener, type);
    options?.signal?.addEventListener("abort", () => listeners.delete(listener));
    addEventListener.call(target, type, listener, options);
  };
  target.removeEventListener = (type, listener, ...more) => {
    listeners.delete(listener);
    removeEventListener.call(target, type, listener, ...more);
  };
}
const Channel = MessageChannel;
globalThis.MessageChannel = class extends Channel {
  constructor() {
    super();
    counts.ports++;
    const { close } = this.port1;
    this.port1.close = () => {
      counts.ports--;
      close.call(this.port1);
    };
  }
};
const { setInterval: startInterval, clearInterval: endInterval } = globalThis;
const running = new Set();
globalThis.setInterval = (...given) => {
  const id = startInterval(...given);
  running.add(id);
  return id;
};
globalThis.clearInterval = (id) => {
  running.delete(id);
  endInterval(id);
};

globalThis.rounds = async (count) => {
  for (let round = 0; round < count; round++) {
    let mounted;
    await new Promise((resolve) => {
      mounted = mountExtension({
        container: document.body,
        src: address("good"),
        title: "Counted",
        callApi: echo,
        onState: (state) => state === "ready" && resolve(),
      });
    });
    mounted.unmount();
  }
  return {
    ...counts,
    listeners: listeners.size,
    intervals: running.size,
    elements: document.querySelectorAll("*").length,
  };
};
