"""Any single byte flipped, of anything that was signed or hashed, is refused with a code that names it."""

import base64

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash
from alga_ext.manifest import Manifest
from alga_ext.objects import MemoryObjectStore
from alga_ext.trust import parse_trust_bundle
from functions.registry import compose
from functions.registry.assets import write_ui
from functions.registry.publish import signature_key
from functions.uihost.bundles import UiBundles
from tests.support.registry import Published, RegistryWorld, manifest_of

FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
position = st.integers(min_value=0, max_value=10**9)
change = st.integers(min_value=1, max_value=255)


def flipped(data: bytes, at: int, by: int) -> bytes:
    changed = bytearray(data)
    changed[at % len(data)] ^= by
    return bytes(changed)


@pytest.fixture
def published(world: RegistryWorld) -> tuple[RegistryWorld, Published, str]:
    """A published version, its bundle as it was sent, and the hex digits of its hash."""
    world.register()
    sent = world.signed(manifest_of())
    world.send(sent)
    world.prepare()
    return world, sent, sent.content_hash.removeprefix("sha256:")


@pytest.fixture
def unprepared(world: RegistryWorld) -> tuple[RegistryWorld, Published, str]:
    """The same before it is prepared: its UI is still to be made of the stored archive."""
    world.register()
    sent = world.signed(manifest_of())
    world.send(sent)
    return world, sent, sent.content_hash.removeprefix("sha256:")


@FUZZ
@given(at=position, by=change)
def test_a_flipped_byte_of_a_bundle_is_refused(
    published: tuple[RegistryWorld, Published, str], at: int, by: int
) -> None:
    world, sent, _ = published

    refused = world.send(sent._replace(archive=flipped(sent.archive, at, by)))

    assert refused.code == "bundle_hash_mismatch"


@FUZZ
@given(at=position, by=change)
def test_a_flipped_byte_of_a_signature_is_refused(
    published: tuple[RegistryWorld, Published, str], at: int, by: int
) -> None:
    world, _, digits = published
    key = signature_key(ContentHash(f"sha256:{digits}"), world.publisher_key.key_id)
    original = world.objects.get(key)
    world.overwrite(key, flipped(original, at, by))

    refused = world.call("POST", "/installs", world.tenant_admin(), {"extension": "com.acme.notes"})

    world.overwrite(key, original)
    assert refused.code in {"signature_malformed", "signature_invalid", "key_unknown"}


@FUZZ
@given(at=position, by=change)
def test_a_flipped_byte_of_the_registrys_attestation_is_refused(
    published: tuple[RegistryWorld, Published, str], at: int, by: int
) -> None:
    world, _, digits = published
    key = f"releases/{digits}.dsse.json"
    original = world.objects.get(key)
    world.overwrite(key, flipped(original, at, by))

    refused = world.call("POST", "/installs", world.tenant_admin(), {"extension": "com.acme.notes"})

    world.overwrite(key, original)
    assert refused.code == "release_integrity"


@FUZZ
@given(at=position, by=change, which=st.sampled_from(["", ".br", ".gz"]))
def test_a_flipped_byte_of_a_ui_file_is_refused(
    published: tuple[RegistryWorld, Published, str], at: int, by: int, which: str
) -> None:
    world, sent, digits = published
    store = _copy(world, digits)
    key = f"ui/{digits}/files/index.html{which}"
    store.objects[key] = flipped(store.objects[key], at, by)
    bundles = _bundles(world, store)

    encoding = which or "identity"
    file = bundles.index(ContentHash(sent.content_hash)).files["index.html"]

    with pytest.raises(PlatformError) as refusal:
        bundles.read(ContentHash(sent.content_hash), "index.html", encoding, file.variants[encoding])

    assert refusal.value.code == "ui_integrity"


@FUZZ
@given(at=position, by=change)
def test_a_flipped_byte_of_the_ui_index_is_refused(
    published: tuple[RegistryWorld, Published, str], at: int, by: int
) -> None:
    world, sent, digits = published
    store = _copy(world, digits)
    key = f"ui/{digits}/index.json"
    store.objects[key] = flipped(store.objects[key], at, by)

    with pytest.raises(PlatformError) as refusal:
        _bundles(world, store).index(ContentHash(sent.content_hash))

    assert refusal.value.code == "ui_integrity"


@FUZZ
@given(at=position, by=change)
def test_a_flipped_byte_of_the_release_record_shows_no_ui(
    published: tuple[RegistryWorld, Published, str], at: int, by: int
) -> None:
    world, sent, digits = published
    store = _copy(world, digits)
    key = f"releases/{digits}.dsse.json"
    store.objects[key] = flipped(store.objects[key], at, by)

    with pytest.raises(PlatformError) as refusal:
        _bundles(world, store).index(ContentHash(sent.content_hash))

    assert refusal.value.code == "release_integrity"


@FUZZ
@given(at=position, by=change)
def test_a_flipped_byte_of_a_sealed_secret_does_not_open(
    published: tuple[RegistryWorld, Published, str], at: int, by: int
) -> None:
    context = {"tenant": "t", "install": "i", "name": "n"}
    sealed = _sealed(context)

    with pytest.raises(PlatformError) as refusal:
        compose.sealer().unseal(flipped(sealed, at, by), context)

    assert refusal.value.code == "secret_unavailable"


def _sealed(context: dict[str, str]) -> bytes:
    return compose.sealer().seal(base64.b64encode(b"x" * 32), context)


def _copy(world: RegistryWorld, digits: str) -> MemoryObjectStore:
    """The objects of a published UI in a store that can be changed."""
    store = MemoryObjectStore()
    names = [f"releases/{digits}.dsse.json", f"ui/{digits}/index.json"]
    names += [f"ui/{digits}/files/index.html{suffix}" for suffix in ("", ".br", ".gz")]
    for name in names:
        store.objects[name] = world.objects.get(name)
    return store


def _bundles(world: RegistryWorld, store: MemoryObjectStore) -> UiBundles:
    trust = parse_trust_bundle(world.environment()["SIGNING_TRUST_BUNDLE"])
    return UiBundles(store, trust, 1 << 20, compose.now, lambda: 0.0)


@FUZZ
@given(at=position, by=change)
def test_a_flipped_byte_of_a_stored_bundle_is_never_shown(
    unprepared: tuple[RegistryWorld, Published, str], at: int, by: int
) -> None:
    world, sent, digits = unprepared
    key = f"bundles/{digits}/bundle.tar.zst"
    world.overwrite(key, flipped(sent.archive, at, by))

    with pytest.raises(PlatformError, match="bundle_hash_mismatch"):
        write_ui({"content_hash": sent.content_hash}, Manifest.model_validate(manifest_of()), world.objects)

    assert world.objects.get_optional(f"ui/{digits}/index.json") is None
