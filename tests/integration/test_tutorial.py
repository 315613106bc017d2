"""The guestbook of docs/tutorial/first-extension.md: built from the page's own text, it does what the page says."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.integration.test_events_and_schedules import admin_of, publish, wait_for
from tests.support.places import ROOT
from tests.support.site import Site
from tools.guests import build_extension

PAGE = (ROOT / "docs/tutorial/first-extension.md").read_text()


def listing(path: str) -> str:
    """The file that the page shows after its name."""
    found = re.search(rf"`\.\./guestbook/{re.escape(path)}`.*?```\w+\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found.group(1)


@pytest.fixture(scope="module")
def guestbook(site: Site, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The id of its install for acme, with what the page grants."""
    folder: Path = tmp_path_factory.mktemp("guestbook")
    for path in ("manifest.json", "server/index.js", "ui/index.html", "ui/app.js"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_text(listing(path))
    built = folder / "built"
    build_extension(folder, built)
    manifest: dict[str, Any] = json.loads((built / "manifest.json").read_text())
    parts = {name: manifest[name] for name in ("runtime", "capabilities", "api", "events")}
    version = site.publish((built / "dist/main.wasm").read_bytes(), **parts)
    assert version["state"] == "ready", version["state_reasons"]
    [command] = re.findall(r"^alga-ext install com\.example\.guestbook (.*)$", PAGE, re.MULTILINE)
    grants = {"capabilities": re.findall(r"--grant (\S+)", command), "egress": [], "secrets": {}, "limits": {}}
    with admin_of(site, "acme") as admin:
        return str(admin.install(version["name"], None, grants, {})["install_id"])


def texts(site: Site, guestbook: str) -> list[str]:
    reply = site.call(guestbook, "/entries")
    assert reply.status == 200, reply
    return [entry["text"] for entry in json.loads(reply.body)["entries"]]


def test_the_guestbook_keeps_entries_welcomes_tickets_and_is_cleared_by_its_schedule(
    site: Site, guestbook: str
) -> None:
    site.client("operator").json("PUT", "/topics/ticket.created", {"schema": {"type": "object"}})
    assert site.call(guestbook, "/entries", method="POST", body=b'{"text": "Hello"}').status == 201
    assert texts(site, guestbook) == ["Hello"]

    publish(site, "acme", "ticket.created", {"ticket_id": "T-1"})
    wait_for(lambda: sorted(texts(site, guestbook)) == ["Hello", "Welcome, T-1!"], "no welcome")

    assert json.loads(site.call(guestbook, "/clear-every-night", method="POST").body)["success"] is True
    with admin_of(site, "acme") as admin:
        [schedule] = admin.json("GET", f"/schedules?install={guestbook}")["items"]
        admin.json("POST", f"/schedules/{schedule['schedule_id']}/run")
        wait_for(lambda: texts(site, guestbook) == [], "the entries are still there")
        path = f"/schedules/{schedule['schedule_id']}"
        wait_for(lambda: admin.json("GET", path)["last_run_status"] == "succeeded", "the run did not succeed")
