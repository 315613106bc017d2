// CloudFront function for viewer requests, runtime cloudfront-js-2.0. It gives each page one URL, and so one entry in
// the cache, however the browser spelled it (docs/adr/0032-one-spelling-of-a-pages-url.md):
//
//   /ext-ui/{extension id}/sha256:{hex}/{path}  becomes  /ext-ui/{hex}/{path}
//
// It only rewrites, because a page may not follow redirects (Connection-Allowlist). The extension's id goes into a
// header that is not part of the cache key; the UI host checks it. URLs that the UI host refuses stay as they are.

/** The headers that the UI host reads (functions/uihost/uihost.py). A viewer cannot set them. */
const EXTENSION = "x-alga-extension";
const HOST = "x-alga-ui-host";

// biome-ignore lint/correctness/noUnusedVariables: CloudFront calls it.
function handler(event) {
  const request = event.request;
  delete request.headers[EXTENSION];
  request.headers[HOST] = { value: event.context.distributionDomainName };
  const uri = request.uri;
  if (uri.indexOf("/ext-ui/") !== 0 || /[^!-~]|%(?![0-9A-Fa-f]{2})/.test(uri)) return request;
  const found = parts(uri.slice("/ext-ui/".length).split("/").map(normal));
  if (found === null) return request;
  request.uri = `/ext-ui/${found.hex}/${found.path}`;
  if (found.extension !== "") request.headers[EXTENSION] = { value: found.extension };
  return request;
}

/** The parts of a page's URL, or null when the UI host will refuse it. */
function parts(segments) {
  let extension = "";
  let hex = hexOf(segments[0]);
  let path = segments.slice(1);
  if (hex === "" && segments.length > 1) {
    extension = segments[0];
    hex = hexOf(segments[1]);
    path = segments.slice(2);
    if (extension === "" || extension.charAt(0) === ".") return null;
  }
  if (path.length > 0 && path[path.length - 1] === "") path.pop(); // a slash at the end changes nothing
  const refused = path.some((segment) => segment === "" || segment.charAt(0) === ".");
  return hex === "" || refused ? null : { extension: extension, hex: hex, path: path.join("/") };
}

/** The hash in a segment, without its prefix; empty when the segment is not a hash. */
function hexOf(segment) {
  const found = /^(?:sha256:)?([0-9a-f]{64})$/.exec(segment);
  return found === null ? "" : found[1];
}

/** The segment with an escape, in upper case, for each character that needs one, and for no other (RFC 3986, pchar). */
function normal(segment) {
  return segment.replace(/%..|[^%]/g, (part) => {
    const character = part.length === 3 ? String.fromCharCode(parseInt(part.slice(1), 16)) : part;
    if (/^[A-Za-z0-9._~!$&'()*+,;=:@-]$/.test(character)) return character;
    return part.length === 3 ? part.toUpperCase() : encodeURIComponent(part);
  });
}
