"""One story that makes every change the API knows: each is recorded, and refused when it is about something older."""

import base64
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from alga_ext.trust.signing import LocalSigner
from tests.conftest import fresh_databases
from tests.registry.conftest import registry
from tests.support.deliveries import dead_delivery
from tests.support.places import ROOT
from tests.support.registry import Answer, RegistryWorld
from tests.support.schedules import SYNC, add_schedule
from tests.support.server_extension import IMPORTS, WASM, server

OPENAPI = ROOT / "docs/reference/registry.openapi.json"
PREFIX = "/api/registry/v1"
GRANTS = {"capabilities": ["storage.kv"], "egress": ["api.example.com"]}

# Nothing that may run, or be read by anybody else, changes with these.
CHANGES_NOTHING = {"POST /uploads", "POST /maintenance/prepare", "POST /maintenance/secrets", "POST /maintenance/tick"}
# The application's own description of its events, whose row says who changed it last; and the events themselves, which
# change nothing of the platform. test_topics.py and test_receiving_events.py have what is recorded of them.
OF_THE_APPLICATION = {"PUT /topics/{topic}", "DELETE /topics/{topic}", "POST /api/events"}
CREATIONS = {
    "POST /publishers",
    "POST /publishers/{publisher}/keys",
    "POST /versions",
    "POST /installs",
    "DELETE /tenants/{tenant_id}/data",
    "POST /schedules/{schedule_id}/run",
}


class Change(NamedTuple):
    """A change that was made, what was answered, and what was recorded of it."""

    answer: Answer
    refused: Answer | None
    """The answer to the same request about a state of long ago; None for a creation, and for a change of many."""
    request_id: str
    actor: str
    audit: list[dict[str, Any]]
    leaves: list[dict[str, Any]]
    quiet: bool
    """Whether the refused request left no record."""


# Each: the route; what is done (with paths filled in by the story); by whom; what the record calls it.
STORY: dict[str, tuple[str, str]] = {
    "POST /publishers": ("platform", "publisher.created"),
    "POST /publishers/{publisher}/keys": ("dev", "publisher.key_added"),
    "POST /versions": ("dev", "version.published"),
    "POST /extensions/{reference}/deprecate": ("dev", "extension.deprecated"),
    "DELETE /extensions/{reference}/deprecate": ("dev", "extension.undeprecated"),
    "POST /versions/{version_id}/yank": ("dev", "version.yanked"),
    "POST /versions/{version_id}/unyank": ("dev", "version.unyanked"),
    "POST /installs": ("admin@tenant-a", "install.create"),
    "POST /installs/{install_id}/disable": ("admin@tenant-a", "install.disabled"),
    "POST /installs/{install_id}/enable": ("admin@tenant-a", "install.enabled"),
    "POST /installs/{install_id}/pin": ("admin@tenant-a", "install.pin"),
    "POST /installs/{install_id}/unpin": ("admin@tenant-a", "install.unpin"),
    "PUT /installs/{install_id}/grants": ("admin@tenant-a", "install.grant"),
    "PUT /installs/{install_id}/egress-trial": ("admin@tenant-a", "egress_trial.begin"),
    "DELETE /installs/{install_id}/egress-trial": ("admin@tenant-a", "egress_trial.end"),
    "POST /installs/{install_id}/egress-trial/apply": ("admin@tenant-a", "egress_trial.apply"),
    "PUT /installs/{install_id}/config": ("admin@tenant-a", "install.config"),
    "PUT /installs/{install_id}/secrets/{name}": ("admin@tenant-a", "secret.put"),
    "DELETE /installs/{install_id}/secrets/{name}": ("admin@tenant-a", "secret.delete"),
    "POST /installs/{install_id}/update": ("admin@tenant-a", "install.update"),
    "POST /installs/{install_id}/request/decline": ("admin@tenant-a", "install.decline"),
    "POST /installs/{install_id}/rollback": ("admin@tenant-a", "install.rollback"),
    "POST /installs/{install_id}/request/approve": ("admin@tenant-a", "install.approve"),
    "POST /schedules/{schedule_id}/disable": ("admin@tenant-a", "schedule.disabled"),
    "POST /schedules/{schedule_id}/enable": ("admin@tenant-a", "schedule.enabled"),
    "POST /schedules/{schedule_id}/run": ("admin@tenant-a", "schedule.run"),
    "PUT /installs/{install_id}/limits": ("admin@tenant-a", "limits.set"),
    "PUT /tenants/{tenant_id}/limits": ("platform", "limits.set"),
    "POST /installs/{install_id}/deliveries/pause": ("admin@tenant-a", "deliveries.pause"),
    "POST /installs/{install_id}/deliveries/resume": ("admin@tenant-a", "deliveries.resume"),
    "POST /deliveries/{delivery_id}/redrive": ("admin@tenant-a", "delivery.redrive"),
    "POST /dead-deliveries/redrive": ("admin@tenant-a", "delivery.redrive_all"),
    "DELETE /deliveries/{delivery_id}": ("admin@tenant-a", "delivery.discard"),
    "DELETE /installs/{install_id}": ("admin@tenant-a", "install.delete"),
    "POST /versions/{version_id}/withdraw": ("dev", "version.withdrawn"),
    "POST /publishers/{publisher}/keys/{key_id}/retire": ("dev", "publisher.key_retired"),
    "POST /publishers/{publisher}/keys/{key_id}/revoke": ("dev", "publisher.key_revoked"),
    "POST /extensions/{reference}/transfer": ("platform", "extension.transferred"),
    "DELETE /tenants/{tenant_id}/data": ("platform", "tenant.erase"),
}
OF_MANY = {"POST /dead-deliveries/redrive"}
GUARDED = [route for route in STORY if route not in CREATIONS | OF_MANY]
_PARTS_OF_TENANTS = ("/installs", "/tenants", "/schedules", "/deliveries", "/dead-deliveries")
OF_TENANTS = [route for route in STORY if any(part in route for part in _PARTS_OF_TENANTS)]


class Teller:
    """Makes changes and keeps what came of each."""

    def __init__(self, world: RegistryWorld) -> None:
        self.world = world
        self.changes: dict[str, Change] = {}
        self._tokens = {"platform": world.admin, "dev": world.publisher, "admin@tenant-a": world.tenant_admin()}

    def make(self, route: str, body: Any = None, reads: str = "", **places: str) -> Any:
        """Make a change; before it, the same about a state of long ago. ``reads`` is where its ETag is shown."""
        method, template = route.split(" ")
        path, read = template.format(**places), reads.format(**places)
        token, request_id = self._tokens[STORY[route][0]], f"request-of-change-{len(self.changes)}"
        refused, quiet, headers = None, True, {"x-request-id": request_id}
        if reads:
            before = self._records()
            refused = self.world.call(method, path, token, body, headers={"if-match": '"0"'})
            quiet = self._records() == before
            headers["if-match"] = self.world.call("GET", read, token).headers["etag"]
        audited, logged = self._records()
        answer = self.world.call(method, path, token, body, headers=headers)
        audit, leaves = self._records()
        self.changes[route] = Change(
            answer, refused, request_id, STORY[route][0], audit[len(audited) :], leaves[len(logged) :], quiet
        )
        return answer.body

    def _records(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        audit = self.world.rows("select * from app.audit_event order by audit_id")
        leaves = self.world.rows("select * from app.transparency_leaf order by leaf_index")
        return audit, [{**row, "entry": json.loads(row["entry"])} for row in leaves]


def tell(teller: Teller) -> None:
    """The story, from a publisher's registration to the transfer of its extension."""
    world, make = teller.world, teller.make
    make("POST /publishers", {"publisher": "acme", "display_name": "Acme"})
    make("POST /publishers/{publisher}/keys", {"public_key": world.publisher_key.public_pem}, publisher="acme")
    published = world.signed(server(api=SYNC), WASM)
    body = {"bundle_b64": base64.b64encode(published.archive).decode(), "signature": published.signature}
    first = make("POST /versions", body)
    world.prepare(imports=IMPORTS)
    extension = {"reference": "com.acme.notes", "reads": "/extensions/{reference}"}
    make("POST /extensions/{reference}/deprecate", {"reason": "old"}, **extension)
    make("DELETE /extensions/{reference}/deprecate", **extension)
    version = {"version_id": first["version_id"], "reads": "/versions/{version_id}"}
    make("POST /versions/{version_id}/yank", {"reason": "slow"}, **version)
    make("POST /versions/{version_id}/unyank", {"reason": "fast again"}, **version)
    granted = {"extension": "com.acme.notes", "grants": GRANTS}
    install_id = make("POST /installs", granted)["install_id"]
    install = {"install_id": install_id, "reads": "/installs/{install_id}"}
    for action in ("disable", "enable", "pin", "unpin"):
        make(f"POST /installs/{{install_id}}/{action}", **install)
    none = {"hosts": [], "days": 1}
    make("PUT /installs/{install_id}/egress-trial", none, **install)
    make("DELETE /installs/{install_id}/egress-trial", **install)
    world.call("PUT", f"/installs/{install_id}/egress-trial", world.tenant_admin(), {**none, "hosts": GRANTS["egress"]})
    make("POST /installs/{install_id}/egress-trial/apply", **install)
    narrower = {"capabilities": ["storage.kv", "secrets.get"], "secrets": {"salt": []}}
    make("PUT /installs/{install_id}/grants", narrower, **install)
    make("PUT /installs/{install_id}/config", {"config": {"colour": "red"}}, **install)
    make("PUT /installs/{install_id}/secrets/{name}", {"value": "hunter2"}, name="salt", **install)
    make("DELETE /installs/{install_id}/secrets/{name}", name="salt", **install)
    for number in ("1.1.0", "1.2.0"):
        wider = ["storage.kv", "http.fetch", "secrets.get", "ui.proxy"]
        second = world.send(world.signed(server(number, capabilities=wider, api=SYNC), WASM)).body
        world.prepare(imports=[*IMPORTS, "alga:extension/ui-proxy"])
    make("POST /installs/{install_id}/update", {"version": "1.1.0"}, **install)
    make("POST /installs/{install_id}/request/decline", **install)
    make("POST /installs/{install_id}/rollback", {"version": "1.0.0", "reason": "slow"}, **install)
    world.call("POST", f"/installs/{install_id}/update", world.tenant_admin(), {"version": "1.2.0"})
    make("POST /installs/{install_id}/request/approve", {}, **install)
    schedule = {"schedule_id": add_schedule(world, install_id, due_at=None), "reads": "/schedules/{schedule_id}"}
    for action in ("disable", "enable"):
        make(f"POST /schedules/{{schedule_id}}/{action}", **schedule)
    make("POST /schedules/{schedule_id}/run", schedule_id=schedule["schedule_id"])
    of_install = {"install_id": install_id, "reads": "/installs/{install_id}/limits"}
    make("PUT /installs/{install_id}/limits", {"rate": {"burst": 5, "per_second": 1}}, **of_install)
    of_tenant = {"tenant_id": "tenant-a", "reads": "/tenants/{tenant_id}/limits"}
    make("PUT /tenants/{tenant_id}/limits", {"tenant": {"burst": 5_000, "per_second": 500}}, **of_tenant)
    for action in ("pause", "resume"):
        make(f"POST /installs/{{install_id}}/deliveries/{action}", **install)
    dead = {"delivery_id": dead_delivery(world, install_id), "reads": "/deliveries/{delivery_id}"}
    make("POST /deliveries/{delivery_id}/redrive", **dead)
    make("DELETE /deliveries/{delivery_id}", **dead)
    dead_delivery(world, install_id)
    make("POST /dead-deliveries/redrive")
    make("DELETE /installs/{install_id}", **install)
    version["version_id"] = second["version_id"]
    make("POST /versions/{version_id}/withdraw", {"reason": "malware"}, **version)
    fresh = world.add_key("acme", LocalSigner.generate()).body["key_id"]
    key = {"publisher": "acme", "key_id": fresh, "reads": "/publishers/{publisher}/keys/{key_id}"}
    make("POST /publishers/{publisher}/keys/{key_id}/retire", {"valid_until": "2099-01-01T00:00:00Z"}, **key)
    make("POST /publishers/{publisher}/keys/{key_id}/revoke", {"reason": "lost laptop"}, **key)
    world.call("POST", "/publishers", world.admin, {"publisher": "globex", "display_name": "Globex"})
    make("POST /extensions/{reference}/transfer", {"publisher": "globex"}, **extension)
    make("DELETE /tenants/{tenant_id}/data", tenant_id="tenant-a")


@pytest.fixture(scope="module")
def changes(postgres_server: str, template_database: str, moto_url: str) -> Iterator[dict[str, Change]]:
    with fresh_databases(postgres_server, template_database) as databases, registry(databases, moto_url) as world:
        teller = Teller(world)
        tell(teller)
        yield teller.changes


def test_the_story_makes_every_change_the_api_knows() -> None:
    paths = json.loads(OPENAPI.read_text())["paths"]
    known = {f"{method.upper()} {path.removeprefix(PREFIX)}" for path, methods in paths.items() for method in methods}

    assert {route for route in known if not route.startswith("GET ")} == set(
        STORY
    ) | CHANGES_NOTHING | OF_THE_APPLICATION


@pytest.mark.parametrize("route", STORY)
def test_a_change_is_made(changes: dict[str, Change], route: str) -> None:
    assert changes[route].answer.status < 300, changes[route].answer


@pytest.mark.parametrize("route", STORY)
def test_a_change_is_recorded_under_its_name(changes: dict[str, Change], route: str) -> None:
    change = changes[route]
    names = [row["action"] for row in change.audit] + [leaf["kind"] for leaf in change.leaves]
    assert STORY[route][1] in names


@pytest.mark.parametrize("route", STORY)
def test_the_record_tells_who_made_the_change(changes: dict[str, Change], route: str) -> None:
    change = changes[route]
    actors = [row["actor"] for row in change.audit] + [leaf["entry"]["actor"] for leaf in change.leaves]
    assert set(actors) == {change.actor}


@pytest.mark.parametrize("route", STORY)
def test_the_record_tells_in_which_request(changes: dict[str, Change], route: str) -> None:
    change = changes[route]
    requests = [row["request_id"] for row in change.audit] + [leaf["entry"]["request_id"] for leaf in change.leaves]
    assert set(requests) == {change.request_id}


@pytest.mark.parametrize("route", OF_TENANTS)
def test_the_audit_row_tells_what_was_before(changes: dict[str, Change], route: str) -> None:
    (row,) = (row for row in changes[route].audit if row["action"] == STORY[route][1])
    assert (row["before"] is None) == (route in CREATIONS)


@pytest.mark.parametrize("route", OF_TENANTS)
def test_the_audit_row_tells_what_is_after(changes: dict[str, Change], route: str) -> None:
    (row,) = (row for row in changes[route].audit if row["action"] == STORY[route][1])
    assert row["after"] is not None
    assert row["after"] != row["before"]


@pytest.mark.parametrize("route", GUARDED)
def test_a_change_of_something_older_is_refused(changes: dict[str, Change], route: str) -> None:
    refused = changes[route].refused
    assert refused is not None
    assert (refused.status, refused.body["code"]) == (412, "precondition_failed")


@pytest.mark.parametrize("route", GUARDED)
def test_a_change_that_was_refused_leaves_no_record(changes: dict[str, Change], route: str) -> None:
    assert changes[route].quiet


def test_the_audit_trail_holds_the_whole_grant_set_before_and_after(changes: dict[str, Change]) -> None:
    (row,) = changes["PUT /installs/{install_id}/grants"].audit
    assert (row["before"]["grants"]["egress"], row["after"]["grants"]["egress"]) == (["api.example.com"], [])
    assert (row["before"]["grants"]["secrets"], row["after"]["grants"]["secrets"]) == ({}, {"salt": []})


def test_the_audit_trail_tells_from_which_version_to_which(changes: dict[str, Change]) -> None:
    asked = next(
        row for row in changes["POST /installs/{install_id}/update"].audit if row["action"] == "install.request"
    )
    assert (asked["after"]["from"], asked["after"]["to"]) == ("1.0.0", "1.1.0")


def test_no_secret_value_is_in_a_record(changes: dict[str, Change]) -> None:
    assert "hunter2" not in str([change.audit for change in changes.values()])
