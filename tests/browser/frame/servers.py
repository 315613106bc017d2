"""Three origins on loopback: the real UI host over test pages, a host application, and an attacker's server."""

import base64
import json
import queue
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from alga_ext.trust.trust_source import TrustSource
from functions.uihost.bundles import UiBundles
from functions.uihost.services import Services
from functions.uihost.settings import UiHostSettings
from functions.uihost.uihost import UiHost
from functions.uihost.withdrawn import WithdrawnBundles
from tests.support.memory_store import MemoryObjectStore
from tests.support.published_ui import EXTENSION, HEX, LIST_LIFETIME, LISTING, RELEASE, list_withdrawn, publish_into
from tools.local.state import ROOT

HERE: Final = Path(__file__).parent
PAGE: Final = (
    '<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
    "<body>{body}</body></html>\n"
)
POLICIES: Final[Mapping[str, Mapping[str, str]]] = {
    "strict": {
        "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self' {ui}; "
        "frame-src {ui}; base-uri 'none'; form-action 'none'"
    },
    "none": {},
    "report-only": {"content-security-policy-report-only": "frame-src {ui}"},
    "wide": {"content-security-policy": "frame-src {ui} https://*.example"},
    "self": {"content-security-policy": "frame-src 'self' {ui}"},
    "default-src": {"content-security-policy": "default-src 'self' {ui} 'unsafe-inline'"},
}
"""Headers of host pages, by the first segment of their path. ``default-src`` alone does not name frames."""


class Addresses(NamedTuple):
    """Origins of the UI host, the host application and the attacker, and where the test pages are."""

    ui: str
    host: str
    evil: str

    @property
    def base(self) -> str:
        return f"{self.ui}/ext-ui/{EXTENSION}/{HEX}"


class Scene:
    """The three servers. ``results`` gets what host pages post when they have ended; ``hits`` what the attacker got."""

    def __init__(self, scripts: Mapping[str, bytes], pages: Mapping[str, bytes]) -> None:
        self.scripts = scripts
        self.results: queue.Queue[tuple[str, Any]] = queue.Queue()
        self.hits: list[str] = []
        self._servers = {name: _server(self, name) for name in ("ui", "host", "evil")}
        self.addresses = Addresses(*(f"http://127.0.0.1:{s.server_port}" for s in self._servers.values()))
        self._ui_host = _ui_host(pages, self.addresses)
        self._one_request = threading.Lock()  # as in a Lambda process
        for server in self._servers.values():
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()

    def result(self, run: str, within_s: float) -> Any:
        """Wait for what the page of this run posts."""
        deadline = time.monotonic() + within_s
        while True:
            try:
                posted, result = self.results.get(timeout=max(0.01, deadline - time.monotonic()))
            except queue.Empty:
                message = f"the page of {run} posted no result within {within_s} s"
                raise AssertionError(message) from None
            if posted == run:
                return result

    def close(self) -> None:
        """Stop all servers."""
        for server in self._servers.values():
            server.shutdown()
            server.server_close()

    def answer(self, name: str, request: BaseHTTPRequestHandler) -> tuple[int, Mapping[str, str], bytes]:
        """Answer a request to one of the servers."""
        path = urlsplit(request.path).path
        if name == "ui":
            return self._ui_file(path, request)
        if path.startswith("/result/"):
            body = request.rfile.read(int(request.headers["content-length"]))
            self.results.put((path.removeprefix("/result/"), json.loads(body)))
            return 204, {}, b""
        if name == "evil" and not path.startswith(("/strict/", "/none/", "/favicon", "/config.js", "/hosts/")):
            self.hits.append(f"{request.command} {request.path}")
            return 200, {"access-control-allow-origin": "*", "content-type": "text/html"}, b"<!doctype html>evil"
        if path == "/hits":
            return 200, {"content-type": "application/json"}, json.dumps(self.hits).encode()
        if path == "/config.js":
            config = {**self.addresses._asdict(), "base": self.addresses.base}
            return 200, {"content-type": "text/javascript"}, f"globalThis.config = {json.dumps(config)};".encode()
        if path.startswith("/hosts/"):
            script = self.scripts.get(path.removeprefix("/hosts/"))
            return (200, {"content-type": "text/javascript"}, script) if script is not None else (404, {}, b"")
        policy, _, page = path.removeprefix("/").partition("/")
        if policy not in POLICIES:
            return 404, {}, b""
        headers = {key: value.replace("{ui}", self.addresses.ui) for key, value in POLICIES[policy].items()}
        scripts = f'<script src="/config.js"></script><script src="/hosts/{page}.js"></script>'
        document = PAGE.format(title="Host application", body=f"<header><h1>Host application</h1></header>{scripts}")
        return 200, {"content-type": "text/html", **headers}, document.encode()

    def _ui_file(self, path: str, request: BaseHTTPRequestHandler) -> tuple[int, Mapping[str, str], bytes]:
        event = {
            "rawPath": path,
            "headers": {key.lower(): value for key, value in request.headers.items()},
            "requestContext": {"requestId": "r", "http": {"method": request.command}},
        }
        with self._one_request:
            answer = self._ui_host.answer(event)
        text = answer.get("body") or ""
        body = base64.b64decode(text) if answer.get("isBase64Encoded") else text.encode()
        return answer["statusCode"], answer["headers"], body


def _ui_host(pages: Mapping[str, bytes], addresses: Addresses) -> UiHost:
    objects = MemoryObjectStore()
    publish_into(objects, dict(pages), entry="ui/good/index.html")
    list_withdrawn(objects, at=datetime.now(UTC))
    keys = [{"key_id": key.key_id, "public_key": key.public_pem, "use": "release"} for key in (RELEASE, LISTING)]
    trust = TrustSource(json.dumps({"version": 1, "keys": keys}))
    settings = UiHostSettings(
        bundle_store_base="s3://unused", signing_trust_bundle="{}", frame_ancestors=addresses.host
    )
    monotonic_s = time.monotonic

    def now() -> datetime:
        return datetime.now(UTC)

    withdrawn = WithdrawnBundles(objects, trust.current, LIST_LIFETIME, now, monotonic_s)
    bundles = UiBundles(objects, withdrawn, trust.current, 1 << 24, now, monotonic_s)
    services = Services(
        settings=settings,
        objects=objects,
        trust=trust,
        withdrawn=withdrawn,
        bundles=bundles,
        own_origin=addresses.ui,
        monotonic_s=monotonic_s,
    )
    return UiHost(services)


def _server(scene: Scene, name: str) -> ThreadingHTTPServer:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            status, headers, body = scene.answer(name, self)
            self.send_response(status)
            for key, value in headers.items():
                if key.lower() != "content-length":
                    self.send_header(key, value)
            if status not in (204, 304):
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = do_POST = do_OPTIONS = _answer  # noqa: N815 - the standard library's names

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: Any, client_address: Any) -> None:
            """Say nothing of browsers that end a connection when they are closed."""
            if not isinstance(sys.exc_info()[1], ConnectionError):
                super().handle_error(request, client_address)

    server = Server(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    return server


def _bundled(folder: Path, out: Path) -> dict[str, bytes]:
    """Bundle each script of a folder, with the packages' sources; the files by name."""
    shutil.rmtree(out, ignore_errors=True)
    entries = sorted(str(path) for path in folder.iterdir() if path.name != "harness.js")
    esbuild = str(ROOT / "node_modules" / ".bin" / "esbuild")
    options = ["--bundle", "--format=iife", "--conditions=alga-source", "--target=es2022", "--jsx=automatic"]
    defined = '--define:process.env.NODE_ENV="development"'  # StrictMode mounts twice only there
    subprocess.run(
        [esbuild, *entries, *options, defined, f"--outdir={out}", "--log-level=warning"], check=True, cwd=ROOT
    )
    return {path.name: path.read_bytes() for path in out.iterdir()}


def _published_bridge(out: Path) -> dict[str, bytes]:
    """Return the bridge's files as they are published, bundled again with code splitting, and without each part.

    They are in the folders ``bridge``, ``split`` and ``without-NAME``.
    """
    shutil.rmtree(out, ignore_errors=True)
    bridge, split = out / "bridge", out / "split"
    subprocess.run(["node", "web/build.mjs", "host-bridge", str(bridge)], check=True, cwd=ROOT, stdout=subprocess.PIPE)
    esbuild = str(ROOT / "node_modules" / ".bin" / "esbuild")
    options = ["--bundle", "--splitting", "--format=esm", f"--outdir={split}", "--log-level=warning"]
    subprocess.run([esbuild, str(bridge / "index.js"), *options], check=True, cwd=ROOT)
    files = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*.js")}
    for part in (bridge / "parts").glob("*.js"):
        others = [path for path in bridge.rglob("*.js") if path != part]
        files |= {f"without-{part.stem}/{path.relative_to(bridge).as_posix()}": path.read_bytes() for path in others}
    return files


@contextmanager
def scene() -> Iterator[Scene]:
    """Bundle the scripts, publish the pages and start the servers."""
    built = ROOT / ".build" / "frame-tests"
    pages: dict[str, bytes] = {"ui/silent/index.html": PAGE.format(title="Silent", body="<p>No script.</p>").encode()}
    bundled = _bundled(HERE / "pages", built / "pages")
    for name, data in bundled.items():
        stem, _, kind = name.partition(".")
        pages[f"ui/{stem}/app.{kind}"] = data
        if kind == "js":
            styles = '<link rel="stylesheet" href="app.css">' if f"{stem}.css" in bundled else ""
            body = f'{styles}<main id="page"></main><script src="app.js"></script>'
            pages[f"ui/{stem}/index.html"] = PAGE.format(title=stem, body=body).encode()
    scripts = _bundled(HERE / "hosts", built / "hosts") | _published_bridge(built / "bridge")
    made = Scene(scripts, pages)
    try:
        yield made
    finally:
        made.close()
