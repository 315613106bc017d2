"""What is shown of extensions and versions, to whom, in which pages."""

import pytest

from alga_ext.calls.messages import Artifact
from functions.registry.api.paging import encode_cursor
from tests.support.registry import RegistryWorld, manifest_of


def test_a_cursor_of_digits_that_are_no_number_is_the_callers_fault(world: RegistryWorld) -> None:
    refused = world.call("GET", "/log/entries", world.admin, query=f"cursor={encode_cursor('²')}")

    assert (refused.status, refused.code) == (400, "invalid_request")


def test_pages_of_versions_hold_each_version_once(world: RegistryWorld) -> None:
    world.register()
    for minor in range(5):
        world.publish(version=f"1.{minor}.0")
    seen: list[str] = []
    cursor = ""

    while True:
        query = "page_size=2" + (f"&cursor={cursor}" if cursor else "")
        page = world.call("GET", "/extensions/com.acme.notes/versions", world.publisher, query=query).body
        seen += [item["version"] for item in page["items"]]
        if (cursor := page["next_cursor"]) is None:
            break

    assert seen == [f"1.{minor}.0" for minor in reversed(range(5))]


def test_the_catalogue_needs_a_token(world: RegistryWorld) -> None:
    refused = world.call("GET", "/extensions", "not-a-token")

    assert (refused.status, refused.code) == (401, "unauthenticated")


@pytest.mark.parametrize("ok", [None, False], ids=["pending", "rejected"])
def test_what_is_not_published_is_shown_to_its_publisher_only(world: RegistryWorld, ok: bool | None) -> None:
    world.register()
    path = f"/versions/{world.send(world.signed(manifest_of())).body['version_id']}"
    if ok is not None:
        world.prepare(ok=ok)

    seen = [world.call("GET", path, token).status for token in (world.admin, world.publisher, *_others(world))]

    assert seen == [200, 200, 404, 404, 404]


def test_a_list_of_versions_leaves_out_what_is_not_published(world: RegistryWorld) -> None:
    world.register()
    world.publish()
    world.send(world.signed(manifest_of(version="1.1.0")))

    seen = [
        [
            version["version"]
            for version in world.call("GET", "/extensions/com.acme.notes/versions", token).body["items"]
        ]
        for token in (world.publisher, *_others(world))
    ]

    assert seen == [["1.1.0", "1.0.0"], ["1.0.0"], ["1.0.0"], ["1.0.0"]]


def _others(world: RegistryWorld) -> list[str]:
    stranger = world.token(sub="dev", roles=["publisher"], publishers=["globex"])
    return [stranger, world.tenant_admin(), world.tenant_viewer()]


def test_how_far_compiling_is_is_shown_for_each_engine(world: RegistryWorld) -> None:
    world.register()
    old, new = _artifact("1" * 64, "49.0.0"), _artifact("1" * 64, "50.0.0")
    for version, wasm, artifacts in (("1.0.0", b"one", [old, new]), ("1.1.0", b"two", [_artifact("2" * 64, "49.0.0")])):
        document = manifest_of(version=version, runtime="wasm-component@1")
        world.send(world.signed(document, {"ui/index.html": b"x", "dist/main.wasm": b"\0asm" + wasm}))
        (message,) = world.queued()
        for artifact in artifacts:
            assert world.prepare(message, artifact=artifact) == ["ready"]

    shown = world.call("GET", "/maintenance/prepare", world.admin).body

    counts = {engine["wasmtime_version"]: (engine["compiled"], engine["missing"]) for engine in shown}
    assert counts == {"49.0.0": (2, 0), "50.0.0": (1, 1)}


def test_preparing_again_queues_each_active_version_once(world: RegistryWorld) -> None:
    world.register()
    component = {"ui/index.html": b"x", "dist/main.wasm": b"\0asm"}
    for minor, end in enumerate(["", "yank", "withdraw", "reject", "pending"]):
        document = manifest_of(version=f"1.{minor}.0", runtime="wasm-component@1")
        version_id = world.send(world.signed(document, component)).body["version_id"]
        if end == "pending":
            break
        world.prepare(ok=end != "reject")
        if end in ("yank", "withdraw"):
            ended = world.call("POST", f"/versions/{version_id}/{end}", world.publisher, {"reason": "r"})
            assert ended.status == 200
    world.queued()
    world.publish(version="2.0.0")  # a UI alone

    queued, query = 0, "page_size=1"
    while True:
        page = world.call("POST", "/maintenance/prepare", world.admin, query=query).body
        queued += page["queued"]
        if page["next_cursor"] is None:
            break
        query = f"page_size=1&cursor={page['next_cursor']}"

    rows = world.rows("select version_id, version from app.extension_version")
    names = {str(row["version_id"]): row["version"] for row in rows}
    assert sorted(names[message.version_id] for message in world.queued()) == ["1.0.0", "1.1.0", "2.0.0"]
    assert queued == 3


def _artifact(sha256: str, wasmtime_version: str) -> Artifact:
    return Artifact(
        key=f"cwasm/{sha256}", sha256=sha256, size_bytes=1, target="t", wasmtime_version=wasmtime_version,
        engine_config_hash="c" * 64,
    )  # fmt: skip
