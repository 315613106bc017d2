type Listener = (event: MessageEvent<unknown>) => void;

/**
 * A browser's window as far as messages go. Node has no windows; its MessagePorts, which carry everything after the
 * handshake, are the real thing.
 */
export class FakeWindow {
  /** Whoever posts to this window, and so is the source of what arrives. */
  poster: FakeWindow | undefined;
  parent: FakeWindow = this;
  readonly origin: string;
  readonly location: { ancestorOrigins: string[] } = { ancestorOrigins: [] };
  readonly style = new FakeStyle();
  document = { referrer: "", documentElement: { style: this.style } };
  readonly #listeners = new Set<Listener>();

  constructor(origin: string) {
    this.origin = origin;
  }

  get listening(): number {
    return this.#listeners.size;
  }

  addEventListener(_: string, listener: Listener, { signal }: { signal?: AbortSignal } = {}): void {
    this.#listeners.add(listener);
    signal?.addEventListener("abort", () => this.#listeners.delete(listener));
  }

  removeEventListener(_: string, listener: Listener): void {
    this.#listeners.delete(listener);
  }

  /** A window of opaque origin is reached by `*` only. */
  postMessage(data: unknown, targetOrigin: string, ports: MessagePort[] = []): void {
    if (targetOrigin !== "*" && targetOrigin !== this.origin) return;
    this.deliver({ source: this.poster, origin: this.poster?.origin ?? "", data: structuredClone(data), ports });
  }

  /** Let an event of any make arrive. */
  deliver(event: { source: unknown; origin: string; data: unknown; ports?: readonly MessagePort[] }): void {
    const arriving = { ports: [], ...event } as unknown as MessageEvent<unknown>;
    for (const listener of [...this.#listeners]) listener(arriving);
  }

  /** Take another document into the same window. */
  reload(): void {
    this.document = { ...this.document };
  }

  asWindow(): Window {
    return this as unknown as Window;
  }
}

class FakeStyle {
  readonly properties = new Map<string, string>();
  colorScheme = "";

  setProperty(name: string, value: string): void {
    this.properties.set(name, value);
  }
}

/** A host page and the frame in it. */
export function hostAndFrame(frameOrigin = "null"): { host: FakeWindow; frame: FakeWindow } {
  const host = new FakeWindow("https://host.example");
  const frame = new FakeWindow(frameOrigin);
  frame.parent = host;
  frame.poster = host;
  host.poster = frame;
  return { host, frame };
}
