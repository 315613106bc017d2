import { FrameLink } from "./frame-link.js";
import type { LinkOptions, ThemeTokens } from "./options.js";

export interface MountOptions extends LinkOptions {
  /** The element the frame is put into. */
  readonly container: HTMLElement;
  /** Address of the extension's page on the UI host. The page's CSP `frame-src` should admit only that host. */
  readonly src: string;
  /** What the frame is called, for assistive technology. */
  readonly title: string;
  /**
   * Give the frame the origin of the UI host instead of an opaque one. Only for a UI host of its own for this
   * extension: pages of one origin can read each other's storage.
   */
  readonly allowSameOrigin?: boolean;
}

/** A shown extension. */
export interface MountedExtension {
  readonly element: HTMLIFrameElement;
  setTheme(tokens: ThemeTokens): void;
  /** Remove the frame and end the link. */
  unmount(): void;
}

/** Show an extension in a sandboxed frame. */
export function mountExtension(options: MountOptions): MountedExtension {
  const { container, src, title, allowSameOrigin = false } = options;
  const document = container.ownerDocument;
  const host = document.defaultView;
  if (host === null) throw new Error("The container belongs to no window.");
  const url = new URL(src, document.baseURI);
  if (allowSameOrigin && url.origin === host.location.origin) {
    throw new Error("A frame of the host's own origin could leave its sandbox; serve extensions from another origin.");
  }

  const element = document.createElement("iframe");
  element.title = title;
  element.setAttribute("sandbox", allowSameOrigin ? "allow-scripts allow-same-origin" : "allow-scripts");
  element.setAttribute("allow", "");
  element.referrerPolicy = "origin"; // tells the frame who its host is, and no more
  element.style.cssText = "display: block; width: 100%; border: 0;";
  element.src = url.href;
  container.append(element);
  const frame = element.contentWindow;
  if (frame === null) throw new Error("The container is not in the document.");

  const link = new FrameLink(
    { host, frame, frameOrigin: allowSameOrigin ? url.origin : "null" },
    {
      ...options,
      onResize: (height) => {
        element.style.height = `${height}px`;
        options.onResize?.(height);
      },
    },
  );
  return {
    element,
    setTheme: (tokens) => link.setTheme(tokens),
    unmount: () => {
      link.close();
      element.remove();
    },
  };
}
