export interface UiAddress {
  /** The UI host's origin, such as `https://ui.example.com`. */
  readonly base: string;
  readonly extensionId: string;
  /** `sha256:` and 64 hex digits, or the digits alone. */
  readonly contentHash: string;
  /** The page inside the bundle; by default `index.html`. */
  readonly page?: string;
}

/** Return the address of an extension's page; an install's `ui_url` is one. @throws TypeError for another content hash */
export function buildExtUiSrc({ base, extensionId, contentHash, page = "index.html" }: UiAddress): string {
  const [, digits] = /^(?:sha256:)?([0-9a-f]{64})$/i.exec(contentHash) ?? [];
  if (digits === undefined) {
    throw new TypeError(`A content hash has 64 hex digits, unlike "${contentHash}".`);
  }
  return new URL(`/ext-ui/${encodeURIComponent(extensionId)}/${digits.toLowerCase()}/${page}`, base).href;
}
