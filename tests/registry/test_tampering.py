"""Any single byte flipped, of anything that was signed or hashed, is refused with a code and a fault that name it.

Every signature is by an Ed25519 key and, in a second run, by an ECDSA P-256 key.
"""

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from alga_ext.bundles.manifest import Manifest
from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash
from alga_ext.stores import object_keys
from alga_ext.trust.log_proof import verify_proof
from alga_ext.trust.signing import LocalSigner, PublicKey, Signer
from alga_ext.trust.trust_document import parse_trust_bundle
from functions.registry.publishing import withdrawn_list
from functions.registry.publishing.finishing import write_ui
from functions.uihost.bundles import UiBundles
from functions.uihost.withdrawn import WithdrawnBundles
from tests.security.logbook import Logbook
from tests.support.keys import P256Signer
from tests.support.memory_store import MemoryObjectStore
from tests.support.published_ui import compress
from tests.support.registry import Published, RegistryWorld, manifest_of
from tests.support.signed_releases import Shop

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
position = st.integers(min_value=0, max_value=10**9)
change = st.integers(min_value=1, max_value=255)

Refusal = tuple[str, str | None]
"""A code, and the fault that the log names with it."""

REFUSALS: Final[dict[str, set[Refusal]]] = {
    "bundle": {("bundle_hash_mismatch", None)},
    "signature": {("signature_malformed", None), ("signature_invalid", None), ("key_unknown", None)},
    "release record, installing or showing": {("release_integrity", "release_record")},
    "release record, running": {("artifact_integrity", "release_record")},
    "artifact record": {("artifact_integrity", "artifact_record")},
    "compiled program": {("artifact_integrity", "artifact_bytes")},
    "compiled program on disk": {("artifact_integrity", "artifact_file")},
    "UI index": {("ui_integrity", "ui_index")},
    "UI file": {("ui_integrity", "ui_file")},
    "log entry or its path": {("log_integrity", "log_entry")},
    "log head": {("log_integrity", "log_head")},
    "sealed secret": {("secret_unavailable", None)},
}


def flipped(data: bytes, at: int, by: int) -> bytes:
    changed = bytearray(data)
    changed[at % len(data)] ^= by
    return bytes(changed)


def refusal_of(call: Callable[[], object]) -> Refusal:
    """Run what must be refused; return its code and fault."""
    with pytest.raises(PlatformError) as refusal:
        call()
    fault = refusal.value.context.get("fault")
    return refusal.value.code, None if fault is None else str(fault)


def refused_install(world: RegistryWorld) -> Refusal:
    """Try to install through the handler; return the code it answered and the fault it logged."""
    with Logbook("registry") as log:
        refused = world.call("POST", "/installs", world.tenant_admin(), {"extension": "com.acme.notes"})
    (line,) = [line for line in log.documents() if line.get("code") == refused.code]
    return refused.code, line["context"].get("fault")


@pytest.fixture(params=["Ed25519", "ECDSA P-256"])
def make_signer(request: pytest.FixtureRequest) -> Callable[[], Signer]:
    """What makes keys of one kind."""
    return LocalSigner.generate if request.param == "Ed25519" else P256Signer


@pytest.fixture
def registered(world: RegistryWorld, make_signer: Callable[[], Signer]) -> RegistryWorld:
    """A registry with one publisher, all of whose keys are of one kind."""
    if make_signer is P256Signer:
        world.use_p256_keys()
    world.register()
    return world


@pytest.fixture
def unprepared(registered: RegistryWorld) -> tuple[RegistryWorld, Published, str]:
    """A version before it is prepared (its UI is still to be made of the stored archive), and its hash's digits."""
    sent = registered.signed(manifest_of())
    registered.send(sent)
    return registered, sent, sent.content_hash.removeprefix("sha256:")


@pytest.fixture
def published(unprepared: tuple[RegistryWorld, Published, str]) -> tuple[RegistryWorld, Published, str]:
    """A published version, its bundle as it was sent, and the hex digits of its hash."""
    unprepared[0].prepare()
    return unprepared


def test_no_two_things_are_refused_alike() -> None:
    every = [refusal for refusals in REFUSALS.values() for refusal in refusals]

    assert len(every) == len(set(every))


# At the registry


@FUZZ
@given(at=position, by=change)
def test_a_flipped_byte_of_a_bundle_is_refused(
    published: tuple[RegistryWorld, Published, str], at: int, by: int
) -> None:
    world, sent, _ = published

    refused = world.send(sent._replace(archive=flipped(sent.archive, at, by)))

    assert (refused.code, None) in REFUSALS["bundle"]


@FUZZ
@given(at=position, by=change)
def test_a_flipped_byte_of_a_stored_bundle_is_never_shown(
    unprepared: tuple[RegistryWorld, Published, str], at: int, by: int
) -> None:
    world, sent, digits = unprepared
    world.overwrite(f"bundles/{digits}/bundle.tar.zst", flipped(sent.archive, at, by))
    manifest = Manifest.model_validate(manifest_of())

    refused = refusal_of(lambda: write_ui({"content_hash": sent.content_hash}, manifest, world.objects, compress))

    assert refused in REFUSALS["bundle"]
    assert world.objects.get_optional(f"ui/{digits}/index.json") is None


@FUZZ
@given(at=position, by=change)
def test_a_flipped_byte_of_a_signature_is_refused(
    published: tuple[RegistryWorld, Published, str], at: int, by: int
) -> None:
    world, _, digits = published
    key = object_keys.publisher_signature(digits, world.publisher_key.key_id)
    original = world.objects.get(key)
    world.overwrite(key, flipped(original, at, by))

    refused = refused_install(world)

    world.overwrite(key, original)
    assert refused in REFUSALS["signature"]


@FUZZ
@given(at=position, by=change)
def test_a_flipped_byte_of_the_release_record_is_not_installed(
    published: tuple[RegistryWorld, Published, str], at: int, by: int
) -> None:
    world, _, digits = published
    key = object_keys.release(digits)
    original = world.objects.get(key)
    world.overwrite(key, flipped(original, at, by))

    refused = refused_install(world)

    world.overwrite(key, original)
    assert refused in REFUSALS["release record, installing or showing"]


@FUZZ
@given(at=position, by=change)
def test_a_flipped_byte_of_a_sealed_secret_does_not_open(world: RegistryWorld, at: int, by: int) -> None:
    context = {"tenant": "t", "install": "i", "name": "n"}
    sealed = world.services.sealer().seal(base64.b64encode(b"x" * 32), context)

    assert (
        refusal_of(lambda: world.services.sealer().unseal(flipped(sealed, at, by), context))
        in REFUSALS["sealed secret"]
    )


# At the UI host


@FUZZ
@given(at=position, by=change, which=st.sampled_from(["", ".br", ".gz"]))
def test_a_flipped_byte_of_a_ui_file_is_not_shown(
    published: tuple[RegistryWorld, Published, str], at: int, by: int, which: str
) -> None:
    world, sent, digits = published
    store = _copy(world, digits)
    key = f"ui/{digits}/files/index.html{which}"
    store.objects[key] = flipped(store.objects[key], at, by)
    bundles, content_hash, encoding = _bundles(world, store), ContentHash(sent.content_hash), which or "identity"
    variant = bundles.index(content_hash).files["index.html"].variants[encoding]

    refused = refusal_of(lambda: bundles.read(content_hash, "index.html", encoding, variant))

    assert refused in REFUSALS["UI file"]


@FUZZ
@given(at=position, by=change)
def test_a_flipped_byte_of_the_ui_index_is_not_shown(
    published: tuple[RegistryWorld, Published, str], at: int, by: int
) -> None:
    world, sent, digits = published
    store = _copy(world, digits)
    key = f"ui/{digits}/index.json"
    store.objects[key] = flipped(store.objects[key], at, by)

    refused = refusal_of(lambda: _bundles(world, store).index(ContentHash(sent.content_hash)))

    assert refused in REFUSALS["UI index"]


@FUZZ
@given(at=position, by=change)
def test_a_flipped_byte_of_the_release_record_shows_no_ui(
    published: tuple[RegistryWorld, Published, str], at: int, by: int
) -> None:
    world, sent, digits = published
    store = _copy(world, digits)
    store.objects[object_keys.release(digits)] = flipped(store.objects[object_keys.release(digits)], at, by)

    refused = refusal_of(lambda: _bundles(world, store).index(ContentHash(sent.content_hash)))

    assert refused in REFUSALS["release record, installing or showing"]


def _copy(world: RegistryWorld, digits: str) -> MemoryObjectStore:
    """The objects of a published UI in a store that can be changed."""
    withdrawn_list.renew(world.services)
    store = MemoryObjectStore()
    names = [object_keys.withdrawn_list(), object_keys.release(digits), f"ui/{digits}/index.json"]
    names += [f"ui/{digits}/files/index.html{suffix}" for suffix in ("", ".br", ".gz")]
    for name in names:
        store.objects[name] = world.objects.get(name)
    return store


def _bundles(world: RegistryWorld, store: MemoryObjectStore) -> UiBundles:
    trust = parse_trust_bundle(world.environment()["SIGNING_TRUST_BUNDLE"])
    now = world.services.now
    withdrawn = WithdrawnBundles(store, lambda: trust, timedelta(hours=1), now, lambda: 0.0)
    return UiBundles(store, withdrawn, lambda: trust, 1 << 20, now, lambda: 0.0)


# At the runner


@pytest.fixture
def shop(tmp_path: Path, make_signer: Callable[[], Signer]) -> tuple[Shop, str]:
    """A store with one released program, and the bundle's hash."""
    made = Shop(tmp_path / "artifacts", make_signer=make_signer)
    return made, made.release(b"machine code " * 40)


@FUZZ
@given(at=position, by=change)
@pytest.mark.parametrize(
    ("part", "what"),
    [("release", "release record, running"), ("record", "artifact record"), ("code", "compiled program")],
)
def test_a_flipped_byte_in_the_store_is_not_run(shop: tuple[Shop, str], part: str, what: str, at: int, by: int) -> None:
    made, bundle = shop
    key = made.key_of(part)
    original = made.store.objects[key]
    made.store.objects[key] = flipped(original, at, by)

    refused = refusal_of(lambda: made.new_cache().obtain(bundle))

    made.store.objects[key] = original
    assert refused in REFUSALS[what]


@FUZZ
@given(at=position, by=change)
def test_a_flipped_byte_of_a_program_on_disk_is_not_run(shop: tuple[Shop, str], at: int, by: int) -> None:
    made, bundle = shop
    cache = made.new_cache()
    artifact = cache.obtain(bundle).artifact
    path = Path(artifact.path)
    path.write_bytes(flipped(path.read_bytes(), at, by))

    assert refusal_of(lambda: cache.recheck(artifact)) in REFUSALS["compiled program on disk"]


# In the transparency log


@pytest.fixture
def proof(published: tuple[RegistryWorld, Published, str]) -> tuple[dict[str, object], PublicKey]:
    """The proof of the publication as the registry answers it, and the log's key."""
    world, _, _ = published
    (version,) = world.call("GET", "/extensions/com.acme.notes/versions", world.publisher).body["items"]
    document = world.call("GET", f"/versions/{version['version_id']}/proof", world.publisher).body
    return document, PublicKey.from_pem(world.log.public_pem)


def written(document: dict[str, object]) -> bytes:
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


@FUZZ
@given(at=position, by=st.integers(min_value=1, max_value=127))
def test_a_flipped_byte_of_a_log_entry_fails_its_proof(
    proof: tuple[dict[str, object], PublicKey], at: int, by: int
) -> None:
    document, key = proof
    changed = flipped(str(document["entry"]).encode(), at, by).decode()
    assume("\0" not in changed)  # no document of ours holds one: that is refused before any proof is looked at

    assert (
        refusal_of(lambda: verify_proof(written({**document, "entry": changed}), key))
        in (REFUSALS["log entry or its path"])
    )


@FUZZ
@given(at=position, digit=st.sampled_from("0123456789abcdef"))
def test_another_digit_in_the_path_of_a_log_entry_fails_its_proof(
    proof: tuple[dict[str, object], PublicKey], at: int, digit: str
) -> None:
    document, key = proof
    path = list(document["proof"])  # type: ignore[call-overload]
    node = at % len(path)
    place = at % 64
    assume(path[node][place] != digit)
    path[node] = path[node][:place] + digit + path[node][place + 1 :]

    assert (
        refusal_of(lambda: verify_proof(written({**document, "proof": path}), key))
        in (REFUSALS["log entry or its path"])
    )


@FUZZ
@given(at=position, by=change)
def test_a_flipped_byte_of_a_log_head_is_refused(proof: tuple[dict[str, object], PublicKey], at: int, by: int) -> None:
    document, key = proof
    whole = written(document)
    head = written(document["head"])  # type: ignore[arg-type]
    begins = whole.index(head)
    changed = whole[:begins] + flipped(head, at, by) + whole[begins + len(head) :]

    refused = refusal_of(lambda: verify_proof(changed, key))

    # A flip that breaks the JSON around it is one of the whole document.
    assert refused in REFUSALS["log head"] | {("log_integrity", "log_proof")}


@FUZZ
@given(at=position, by=change)
def test_a_flipped_byte_anywhere_in_a_proof_is_refused(
    proof: tuple[dict[str, object], PublicKey], at: int, by: int
) -> None:
    document, key = proof

    assert refusal_of(lambda: verify_proof(flipped(written(document), at, by), key))[0] == "log_integrity"


def test_hex_in_capitals_is_refused(proof: tuple[dict[str, object], PublicKey]) -> None:
    document, key = proof
    path = [node.upper() for node in document["proof"]]  # type: ignore[attr-defined]

    refused = refusal_of(lambda: verify_proof(written({**document, "proof": path}), key))

    assert refused == ("log_integrity", "log_proof")
