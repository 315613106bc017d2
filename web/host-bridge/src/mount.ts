import { FrameLink } from "./frame-link.js";
import type { LinkOptions, ThemeTokens } from "./options.js";

export interface MountOptions extends LinkOptions {
  /** The element that the frame is added to. */
  readonly container: HTMLElement;
  /** Address of the extension's page on the UI host. The CSP `frame-src` of this page should allow only that host. */
  readonly src: string;
  /** Title of the frame, for assistive technology. */
  readonly title: string;
  /**
   * Give the frame the origin of the UI host instead of an opaque one. Use it only if this extension has its own UI host:
   * pages of one origin can read each other's storage.
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
  if (host === null) throw new Error("The container's document has no window; use an element of a page that is shown.");
  const url = new URL(src, document.baseURI);
  if (allowSameOrigin && url.origin === host.location.origin) {
    throw new Error(
      "A frame with the host's own origin could leave its sandbox; serve extensions from another origin.",
    );
  }

  const element = document.createElement("iframe");
  element.title = title;
  element.setAttribute("sandbox", allowSameOrigin ? "allow-scripts allow-same-origin" : "allow-scripts");
  element.setAttribute("allow", "");
  element.referrerPolicy = "origin"; // the frame gets the host's origin, but not its path
  element.style.cssText = "display: block; width: 100%; border: 0;";
  element.src = url.href;
  container.append(element);
  const frame = element.contentWindow;
  if (frame === null) throw new Error("The container is not in the document; add it before mounting the extension.");

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
