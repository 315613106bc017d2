"""An extension that fetches the URLs that its caller names, installed on a local platform."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.support.site import Site
from tools.guests import build_component

SOURCE = """
import { Router, json, http } from "@alga/extension-runtime";
const outcome = (url) => {
  try { return http.fetch(url).status; } catch (error) { return String(error.code ?? error.message ?? error); }
};
export const handler = new Router().get("/run", (request) => {
  console.log("the guest was here");
  const urls = request.query.all("url");
  return json({ traceparent: request.header("traceparent"), outcomes: urls.map(outcome) });
}).handler;
"""


def install_fetching(site: Site, granted: Sequence[str]) -> str:
    """Publish the extension, which asks for these hosts, and install it for acme with all of them; the install's id."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "index.js").write_text(SOURCE)
        component = build_component(Path(folder)).read_bytes()
    version = site.publish(
        component,
        capabilities=[{"name": "http.fetch", "purpose": "fetches"}, {"name": "log.emit", "purpose": "logs"}],
        egress=list(granted),
    )
    assert version["state"] == "ready", version["state_reasons"]
    grants = {"capabilities": ["http.fetch", "log.emit"], "egress": list(granted), "secrets": {}, "limits": {}}
    return str(site.client("acme").install(version["name"], None, grants, {})["install_id"])
