"""Small rules of the registry: callers, migrations, cursors, the UI index, and envelopes written twice."""

import base64
import gzip
import hashlib
import json
import random
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash
from alga_ext.stores import object_keys
from alga_ext.trust.policy import TrustBundle, TrustedKey
from alga_ext.trust.signing import Signer, parse_envelope, sign_envelope
from alga_ext.trust.statements import Release, ReleaseRecord, read_statement, statement
from functions.registry.api import permissions
from functions.registry.api.paging import decode_cursor, encode_cursor
from functions.registry.migrations.plan import Migration, plan, read_migration
from functions.registry.publishing import finishing, submission, ui_index
from functions.registry.publishing.bundle_contents import BundleContents
from tests.support.archives import bundle_of
from tests.support.gateway import principal
from tests.support.keys import ACME, SHA, P256Signer
from tests.support.manifests import encoded, manifest, ui_document
from tests.support.memory_store import MemoryObjectStore
from tests.support.places import ROOT
from tests.support.published_ui import compress, compressed
from tests.support.refusals import code_of

# Callers

ROLES = ["platform_admin", "publisher", "tenant_admin", "tenant_viewer", "other"]


@given(st.frozensets(st.sampled_from(ROLES)), st.frozensets(st.sampled_from(["acme", "globex"])))
def test_a_publisher_acts_for_the_publishers_of_its_token(roles: frozenset[str], publishers: frozenset[str]) -> None:
    caller = principal(roles=roles, publishers=publishers)
    allowed = "platform_admin" in roles or ("publisher" in roles and "acme" in publishers)

    assert code_of(lambda: permissions.require_publisher(caller, "acme")) == (None if allowed else "forbidden")


@given(st.frozensets(st.sampled_from(ROLES)), st.sampled_from(["acme", None]))
def test_installs_are_changed_by_admins_and_seen_by_viewers(roles: frozenset[str], tenant_id: str | None) -> None:
    caller = principal(roles=roles, tenant_id=tenant_id)

    changes = tenant_id is not None and "tenant_admin" in roles
    sees = tenant_id is not None and bool(roles & {"tenant_admin", "tenant_viewer"})
    assert code_of(lambda: permissions.require_tenant_admin(caller)) == (None if changes else "forbidden")
    assert code_of(lambda: permissions.require_tenant_viewer(caller)) == (None if sees else "forbidden")


def test_the_tenant_that_is_acted_on_is_the_tokens() -> None:
    assert (
        permissions.require_tenant_admin(principal(roles=frozenset({"tenant_admin"}), tenant_id="globex")) == "globex"
    )


@pytest.mark.parametrize("role", ROLES[1:])
def test_only_a_platform_admin_is_one(role: str) -> None:
    assert code_of(lambda: permissions.require_platform_admin(principal(roles=frozenset({role})))) == "forbidden"
    assert code_of(lambda: permissions.require_platform_admin(principal(roles=frozenset({ROLES[0]})))) is None


# Migrations

FILES = [read_migration(f"{n:04}_make_{n}.sql", b"select %d" % n) for n in range(1, 5)]


def applied(count: int) -> dict[str, str]:
    return {migration.name: migration.sha256 for migration in FILES[:count]}


@pytest.mark.parametrize("count", range(5))
def test_what_is_not_applied_is_still_to_run_in_order(count: int) -> None:
    assert plan(reversed(FILES), applied(count)) == FILES[count:]


@pytest.mark.parametrize(
    ("available", "done"),
    [
        ([FILES[0], FILES[2]], {}),
        ([FILES[0], FILES[0]], {}),
        ([FILES[1]], {}),
        ([Migration("1_x.sql", "", "")], {}),
        ([Migration("0001_X.sql", "", "")], {}),
        ([Migration("0001_x.sql.bak", "", "")], {}),
        ([Migration("0001_x.sql\n", "", "")], {}),
        (FILES[:2], {**applied(2), "0003_gone.sql": "x"}),
        (FILES, {FILES[0].name: "edited"}),
        (FILES, {FILES[1].name: FILES[1].sha256}),
        ([], applied(1)),
    ],
)
def test_a_history_that_does_not_fit_changes_nothing(available: list[Migration], done: dict[str, str]) -> None:
    assert code_of(lambda: plan(available, done)) == "migration_conflict"


def test_the_migrations_of_this_repository_can_be_planned() -> None:
    folder = ROOT / "migrations"
    files = [read_migration(path.name, path.read_bytes()) for path in sorted(folder.glob("[0-9]*.sql"))]

    assert plan(files, {}) == files


# Cursors


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=10), min_size=1, max_size=3))
def test_a_cursor_reads_back(position: list[str]) -> None:
    assert decode_cursor(encode_cursor(*position), tuple("x" for _ in position)) == tuple(position)


@pytest.mark.parametrize("cursor", [None, ""])
def test_without_a_cursor_a_list_begins_at_its_first(cursor: str | None) -> None:
    assert decode_cursor(cursor, ("first",)) == ("first",)


def _base64(text: bytes) -> str:
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


@pytest.mark.parametrize(
    "cursor",
    [
        "x",
        "é",
        "====",
        "\0",
        _base64(b"{}"),
        _base64(b"[]"),
        _base64(b"[1]"),
        _base64(b'["a","b"]'),
        _base64(b"[" * 5000),
        _base64(b"\xff"),
        _base64(b'["\\ud800"]'),
        _base64(b'["a\\u0000"]'),
    ],
)
def test_a_cursor_of_another_kind_is_refused(cursor: str) -> None:
    assert code_of(lambda: decode_cursor(cursor, ("first",))) == "invalid_request"


# The UI index

SCRIPT = b"export const a = 1;\n" * 200


def test_a_file_that_shrinks_has_variants_that_unfold_to_it() -> None:
    file = ui_index.make_file("ui/js/app.js", SCRIPT, compressed)
    variants = {variant.suffix: variant.data for variant in file.variants}

    assert (file.path, file.content_type) == ("js/app.js", "text/javascript; charset=utf-8")
    assert file.sha256 == hashlib.sha256(SCRIPT).hexdigest()
    assert variants[""] == SCRIPT
    assert brotli.decompress(variants[".br"]) == SCRIPT == gzip.decompress(variants[".gz"])


@pytest.mark.parametrize(
    ("path", "data"), [("ui/a.js", b"small"), ("ui/a.png", SCRIPT), ("ui/a.unknown", SCRIPT), ("ui/LICENSE", SCRIPT)]
)
def test_a_file_that_is_small_or_does_not_shrink_has_itself_alone(path: str, data: bytes) -> None:
    assert [variant.suffix for variant in ui_index.make_file(path, data, compressed).variants] == [""]


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("ui/a.HTML", "text/html; charset=utf-8"),
        ("ui/a.svg", "image/svg+xml"),
        ("ui/a", "application/octet-stream"),
        ("ui/a.html.exe", "application/octet-stream"),
        ("ui/.htm", "application/octet-stream"),
        ("ui/a.wasm", "application/wasm"),
    ],
)
def test_the_type_follows_from_the_name_alone(path: str, content_type: str) -> None:
    assert ui_index.make_file(path, b"<script>", compressed).content_type == content_type


def test_the_same_files_give_the_same_index_in_any_order() -> None:
    files = [ui_index.make_file(f"ui/{name}", SCRIPT + name.encode(), compressed) for name in ("b.js", "a.js", "é.css")]

    one, other = ({file.path: ui_index.index_entry(file) for file in order} for order in (files, list(reversed(files))))

    assert ui_index.index_document("ui/a.js", one, "e") == ui_index.index_document("ui/a.js", other, "e")


NOW = datetime(2026, 6, 1, tzinfo=UTC)


def version_row(content_hash: str, **members: Any) -> dict[str, Any]:
    given = {
        "publisher": "acme",
        "name": "com.acme.notes",
        "version": "1.0.0",
        "content_hash": content_hash,
        "signing_key_id": ACME.key_id,
        "published_at": NOW,
        "component_sha256": None,
        "extension_id": "0195c0de-0000-4000-8000-00000000000b",
    }
    return {**given, **members}


def stored(files: dict[str, bytes]) -> tuple[MemoryObjectStore, dict[str, Any]]:
    """A store that holds a bundle of these files, and its version's row."""
    archive = bundle_of({"manifest.json": encoded(ui_document()), **files}).getvalue()
    hex_digits = hashlib.sha256(archive).hexdigest()
    objects = MemoryObjectStore()
    objects.put_new(f"bundles/{hex_digits}/bundle.tar.zst", archive, "application/zstd")
    return objects, version_row(f"sha256:{hex_digits}")


def test_a_bundle_may_bring_variants_of_its_own() -> None:
    own = brotli.compress(SCRIPT, quality=1)
    objects, row = stored({"ui/index.html": b"<p>", "ui/app.js": SCRIPT, "ui/app.js.br": own, "ui/app.js.gz": b"mine"})

    digest = finishing.write_ui(row, manifest(ui=ui_document()["ui"]), objects, compress)

    folder = row["content_hash"].removeprefix("sha256:")
    index = json.loads(objects.get(f"ui/{folder}/index.json"))
    assert digest == hashlib.sha256(objects.get(f"ui/{folder}/index.json")).hexdigest()
    assert set(index["files"]["app.js"]["variants"]) == {"identity"}
    assert objects.get(f"ui/{folder}/files/app.js.br") == own


def test_every_variant_of_the_index_is_stored_with_its_hash() -> None:
    objects, row = stored({"ui/index.html": b"<p>" * 500, "ui/a/app.js": SCRIPT})
    finishing.write_ui(row, manifest(ui=ui_document()["ui"]), objects, compress)
    folder = row["content_hash"].removeprefix("sha256:")
    index = json.loads(objects.get(f"ui/{folder}/index.json"))

    assert index["entry"] == "index.html"
    for path, entry in index["files"].items():
        for name, variant in entry["variants"].items():
            data = objects.get(f"ui/{folder}/files/{path}{'' if name == 'identity' else name}")
            assert (len(data), hashlib.sha256(data).hexdigest()) == (variant["size_bytes"], variant["sha256"])


class _Sieve(MemoryObjectStore):
    """Keeps nothing of what is written."""

    def put_new(self, key: str, data: bytes, content_type: str) -> bool:  # noqa: ARG002 - the port's shape
        return True


def test_a_large_ui_is_written_a_file_at_a_time() -> None:
    objects, row = stored(
        {f"ui/{n}.png": random.Random(n).randbytes(1 << 20) for n in range(48)} | {"ui/index.html": b"x"}
    )
    sieve = _Sieve()
    sieve.objects = objects.objects
    tracemalloc.start()

    finishing.write_ui(row, manifest(ui=ui_document()["ui"]), sieve, compress)

    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 16 << 20


def test_writing_the_ui_again_writes_nothing_new() -> None:
    objects, row = stored({"ui/index.html": b"<p>" * 500})
    asked = manifest(ui=ui_document()["ui"])
    first = finishing.write_ui(row, asked, objects, compress)
    before = dict(objects.objects)

    assert finishing.write_ui(row, asked, objects, compress) == first
    assert objects.objects == before


def test_the_index_names_the_extension_that_the_bundle_belongs_to() -> None:
    objects, row = stored({"ui/index.html": b"<p>"})
    finishing.write_ui(row, manifest(ui=ui_document()["ui"]), objects, compress)

    folder = row["content_hash"].removeprefix("sha256:")
    assert json.loads(objects.get(f"ui/{folder}/index.json"))["extension_id"] == row["extension_id"]


def _without_extension(objects: MemoryObjectStore, row: dict[str, Any], **changes: Any) -> bytes:
    """Put the index of a bundle into the form that older publications wrote, and return it."""
    key = f"ui/{row['content_hash'].removeprefix('sha256:')}/index.json"
    document = {**json.loads(objects.get(key)), **changes}
    del document["extension_id"]
    objects.objects[key] = json.dumps(document, sort_keys=True, separators=(",", ":")).encode()
    return objects.objects[key]


def test_an_interrupted_publication_of_an_older_release_is_finished_with_its_index() -> None:
    objects, row = stored({"ui/index.html": b"<p>"})
    asked = manifest(ui=ui_document()["ui"])
    finishing.write_ui(row, asked, objects, compress)
    old = _without_extension(objects, row)

    assert finishing.write_ui(row, asked, objects, compress) == hashlib.sha256(old).hexdigest()


def test_an_index_of_other_files_is_a_conflict() -> None:
    objects, row = stored({"ui/index.html": b"<p>"})
    asked = manifest(ui=ui_document()["ui"])
    finishing.write_ui(row, asked, objects, compress)
    _without_extension(objects, row, entry="other.html")

    assert code_of(lambda: finishing.write_ui(row, asked, objects, compress)) == "object_conflict"


# Envelopes that are written again after a crash, by a key that never signs alike twice


def test_a_release_record_written_again_stays_the_first() -> None:
    objects, signer, row = MemoryObjectStore(), P256Signer(), version_row(f"sha256:{SHA}")
    finishing._write_release(row, None, objects, signer, trusting(signer), NOW)
    first = objects.get(f"releases/{SHA}.dsse.json")

    finishing._write_release(row, None, objects, signer, trusting(signer), NOW)

    assert objects.get(f"releases/{SHA}.dsse.json") == first
    assert read_statement(parse_envelope(first).payload, ReleaseRecord, SHA).publisher == "acme"


def test_a_release_record_that_says_otherwise_is_a_conflict() -> None:
    objects, signer = MemoryObjectStore(), P256Signer()
    trust = trusting(signer)
    finishing._write_release(version_row(f"sha256:{SHA}"), None, objects, signer, trust, NOW)

    other = version_row(f"sha256:{SHA}", version="2.0.0")
    assert code_of(lambda: finishing._write_release(other, None, objects, signer, trust, NOW)) == "object_conflict"


def test_a_record_of_an_earlier_publication_of_the_same_bundle_stays_but_none_of_a_later_one() -> None:
    objects, signer, row = MemoryObjectStore(), P256Signer(), version_row(f"sha256:{SHA}")
    trust = trusting(signer)
    finishing._write_release(row, None, objects, signer, trust, NOW)
    first = objects.get(f"releases/{SHA}.dsse.json")

    finishing._write_release(row | {"published_at": NOW + timedelta(days=1)}, None, objects, signer, trust, NOW)
    assert objects.get(f"releases/{SHA}.dsse.json") == first
    earlier = row | {"published_at": row["published_at"] - timedelta(days=1)}
    assert code_of(lambda: finishing._write_release(earlier, None, objects, signer, trust, NOW)) == "object_conflict"


def trusting(signer: Signer) -> TrustBundle:
    """Return a trust bundle whose only key may sign releases."""
    return TrustBundle([TrustedKey(key_id=signer.key_id, public_key=signer.public_pem, use="release")])


def accepted(archive: Path, signer: Signer, version: str = "1.0.0") -> submission.Accepted:
    release = Release(publisher="acme", name="com.acme.notes", version=version)
    contents = BundleContents(manifest(), b"{}", None, ())
    signature = sign_envelope(signer, statement(release, "bundle.tar.zst", SHA))
    return submission.Accepted(contents, ContentHash(f"sha256:{SHA}"), 1, signer.key_id, None, signature)


def test_a_publication_signed_again_by_the_same_key_is_stored_once(tmp_path: Path) -> None:
    archive, objects, signer = tmp_path / "b", MemoryObjectStore(), P256Signer()
    archive.write_bytes(b"x")
    submission.store(accepted(archive, signer), archive, objects)
    place = object_keys.publisher_signature(SHA, signer.key_id)
    first = objects.get(place)

    submission.store(accepted(archive, signer), archive, objects)

    assert objects.get(place) == first


def test_a_publication_cut_off_before_a_rotation_can_be_made_with_the_new_key(tmp_path: Path) -> None:
    archive, objects = tmp_path / "b", MemoryObjectStore()
    archive.write_bytes(b"x")
    old, new = P256Signer(), P256Signer()
    submission.store(accepted(archive, old), archive, objects)

    submission.store(accepted(archive, new), archive, objects)

    for signer in (old, new):
        assert objects.get_optional(object_keys.publisher_signature(SHA, signer.key_id)) is not None


@pytest.mark.parametrize(
    "payload",
    [b"{}", b"[]", b"null", b"[" * 20_000, b'{"predicate":[]}', b'{"predicate":{"publisher":5}}', b"\xff", b'"x"'],
)
def test_a_signature_that_names_no_publisher_is_malformed(tmp_path: Path, payload: bytes) -> None:
    signature = sign_envelope(ACME, payload)
    submitted = submission.Submission(tmp_path / "b", ContentHash(f"sha256:{SHA}"), 1, signature, None, None)

    with pytest.raises(PlatformError) as caught:
        submission._claimed_publisher(submitted)
    assert caught.value.code == "signature_malformed"
