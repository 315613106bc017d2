"""Artifacts: verified before they are accepted, fetched once, bounded on disk."""

import hashlib
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from alga_ext.errors import PlatformError
from alga_ext.stores import object_keys
from alga_ext.trust.policy import Revocation
from alga_ext.trust.signing import LocalSigner, parse_envelope
from functions.runner.provenance import Engine
from tests.support.signed_releases import ENGINE, PARTS, PUBLISHED, PUBLISHER_KEY, Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "artifacts")


def refusal(action: Callable[[], object]) -> str:
    with pytest.raises(PlatformError) as caught:
        action()
    return caught.value.code


def test_a_released_program_is_fetched_and_named_by_its_hash(shop: Shop) -> None:
    obtained = shop.cache.obtain(shop.release(b"code"))
    assert obtained.artifact.key == hashlib.sha256(b"code").hexdigest()
    assert Path(obtained.artifact.path).read_bytes() == b"code"


def test_the_second_time_nothing_is_fetched(shop: Shop) -> None:
    bundle = shop.release(b"code")
    shop.cache.obtain(bundle)
    before = shop.cache.fetches
    assert (shop.cache.obtain(bundle).fresh, shop.cache.fetches) == (False, before)


def test_a_release_that_is_not_in_the_store_is_not_found(shop: Shop) -> None:
    assert refusal(lambda: shop.cache.obtain("0" * 64)) == "artifact_not_found"


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_is_missing_is_not_found(shop: Shop, part: str) -> None:
    bundle = shop.release(b"code")
    del shop.store.objects[shop.key_of(part)]
    assert refusal(lambda: shop.cache.obtain(bundle)) == "artifact_not_found"


@pytest.mark.parametrize("part", PARTS)
def test_one_flipped_byte_anywhere_is_refused(shop: Shop, part: str) -> None:
    bundle = shop.release(b"code " * 100)
    key = shop.key_of(part)
    data = shop.store.objects[key]
    for place in range(0, len(data), max(1, len(data) // 50)):
        shop.store.objects[key] = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        assert refusal(lambda: shop.new_cache().obtain(bundle)) == "artifact_integrity"


def fault(action: Callable[[], object]) -> str:
    with pytest.raises(PlatformError) as caught:
        action()
    assert caught.value.code == "artifact_integrity"
    return str(caught.value.context["fault"])


@pytest.mark.parametrize(
    ("part", "named"), [("release", "release_record"), ("record", "artifact_record"), ("code", "artifact_bytes")]
)
def test_a_refusal_names_the_object_that_was_changed(shop: Shop, part: str, named: str) -> None:
    bundle = shop.release(b"code")
    shop.store.objects[shop.key_of(part)] = b"{}"

    assert fault(lambda: shop.cache.obtain(bundle)) == named


def test_a_refusal_names_the_file_on_the_disk(shop: Shop) -> None:
    artifact = shop.cache.obtain(shop.release(b"code")).artifact
    Path(artifact.path).write_bytes(b"evil")

    assert fault(lambda: shop.cache.recheck(artifact)) == "artifact_file"


def test_nothing_that_was_refused_stays_on_disk(shop: Shop) -> None:
    bundle = shop.release(b"code")
    key = shop.key_of("code")
    shop.store.objects[key] = b"forged"
    refusal(lambda: shop.cache.obtain(bundle))
    assert list(shop.folder.iterdir()) == []


def test_a_release_signed_by_a_stranger_is_refused(shop: Shop) -> None:
    assert refusal(lambda: shop.cache.obtain(shop.release(b"code", signer=LocalSigner.generate()))) == (
        "artifact_integrity"
    )


def test_a_release_signed_by_the_artifact_key_is_refused(shop: Shop) -> None:
    assert refusal(lambda: shop.cache.obtain(shop.release(b"code", signer=shop.artifact_signer))) == (
        "artifact_integrity"
    )


@pytest.mark.parametrize(
    "engine",
    [ENGINE._replace(wasmtime_version="49.0.0"), ENGINE._replace(config_hash="d" * 64), ENGINE._replace(target="t")],
)
def test_a_program_made_for_another_engine_is_refused(shop: Shop, engine: Engine) -> None:
    assert refusal(lambda: shop.cache.obtain(shop.release(b"code", engine=engine))) == "artifact_integrity"


def test_one_programs_record_does_not_vouch_for_another(shop: Shop) -> None:
    first, second = shop.release(b"one"), shop.release(b"two")
    shop.store.objects[object_keys.release(first)] = shop.store.objects[object_keys.release(second)]
    assert refusal(lambda: shop.cache.obtain(first)) == "artifact_integrity"


def test_a_bundle_without_a_server_part_has_no_program(shop: Shop) -> None:
    assert refusal(lambda: shop.cache.obtain(shop.release(b"code", has_component=False))) == "artifact_not_found"


def test_a_revoked_platform_key_stops_what_was_verified_before(shop: Shop) -> None:
    bundle = shop.release(b"code")
    shop.cache.obtain(bundle)
    shop.trust = shop.bundle((Revocation(key_id=shop.artifact_signer.key_id, revoked_from=PUBLISHED),))
    assert refusal(lambda: shop.cache.obtain(bundle)) == "artifact_integrity"


def test_a_program_that_another_key_vouches_for_runs_when_the_first_is_revoked(shop: Shop) -> None:
    bundle = shop.release(b"code")
    shop.cache.obtain(bundle)
    payload = parse_envelope(shop.store.objects[shop.key_of("record")]).payload
    revoked, shop.artifact_signer = shop.artifact_signer, LocalSigner.generate()
    shop.vouch(shop.artifact_signer, hashlib.sha256(b"component code").hexdigest(), payload)
    shop.trust = shop.bundle((Revocation(key_id=revoked.key_id, revoked_from=PUBLISHED),))
    assert shop.cache.obtain(bundle).artifact.key == hashlib.sha256(b"code").hexdigest()


def test_a_publishers_key_revoked_before_publication_stops_its_release(shop: Shop) -> None:
    bundle = shop.release(b"code")
    revocation = Revocation(key_id=PUBLISHER_KEY, revoked_from=PUBLISHED - timedelta(days=1))
    shop.trust = shop.bundle((revocation,))
    assert refusal(lambda: shop.cache.obtain(bundle)) == "artifact_integrity"


def test_a_publishers_key_revoked_after_publication_does_not(shop: Shop) -> None:
    bundle = shop.release(b"code")
    revocation = Revocation(key_id=PUBLISHER_KEY, revoked_from=PUBLISHED + timedelta(days=1))
    shop.trust = shop.bundle((revocation,))
    assert shop.cache.obtain(bundle).fresh


def test_a_file_that_changed_on_disk_is_refused_and_removed(shop: Shop) -> None:
    artifact = shop.cache.obtain(shop.release(b"code")).artifact
    Path(artifact.path).write_bytes(b"evil")
    assert refusal(lambda: shop.cache.recheck(artifact)) == "artifact_integrity"
    assert not Path(artifact.path).exists()


def test_a_file_that_another_process_removed_is_fetched_again(shop: Shop) -> None:
    bundle = shop.release(b"code")
    Path(shop.cache.obtain(bundle).artifact.path).unlink()
    assert shop.cache.obtain(bundle).fresh


def test_a_file_left_by_another_process_is_not_trusted(shop: Shop) -> None:
    bundle = shop.release(b"code")
    shop.folder.mkdir(parents=True)
    (shop.folder / f"{hashlib.sha256(b'code').hexdigest()}.cwasm").write_bytes(b"evil")
    assert Path(shop.cache.obtain(bundle).artifact.path).read_bytes() == b"code"


def test_the_least_recently_used_file_makes_room(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "artifacts", budget_bytes=2_500)
    bundles = [shop.release(bytes([n]) * 1_000) for n in range(3)]
    shop.cache.obtain(bundles[0])
    shop.cache.obtain(bundles[1])
    shop.cache.obtain(bundles[0])
    shop.cache.obtain(bundles[2])
    assert [shop.cache.obtain(b).fresh for b in (bundles[0], bundles[2])] == [False, False]
    assert shop.cache.size_bytes() == 2_000


def test_a_file_that_a_call_still_needs_stays_when_room_is_made(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "artifacts", budget_bytes=1_500)
    first, second = (shop.release(bytes([n]) * 1_000) for n in range(2))
    with shop.cache.lend(first) as lent:
        shop.cache.obtain(second)
        assert Path(lent.artifact.path).exists()


def test_a_file_that_no_call_needs_any_more_makes_room(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "artifacts", budget_bytes=1_500)
    first, second = (shop.release(bytes([n]) * 1_000) for n in range(2))
    with shop.cache.lend(first) as lent:
        shop.cache.obtain(second)
    assert (Path(lent.artifact.path).exists(), shop.cache.size_bytes()) == (False, 1_000)


def test_clearing_deletes_what_no_call_needs(shop: Shop) -> None:
    first, second = (shop.release(bytes([n]) * 1_000) for n in range(2))
    unused = Path(shop.cache.obtain(second).artifact.path)
    with shop.cache.lend(first) as lent:
        shop.cache.clear()
        used = Path(lent.artifact.path)
        assert (used.exists(), unused.exists(), shop.cache.size_bytes()) == (True, False, 1_000)


def test_a_program_that_was_cleared_is_fetched_again(shop: Shop) -> None:
    bundle = shop.release(b"code")
    shop.cache.obtain(bundle)
    shop.cache.clear()
    assert shop.cache.obtain(bundle).fresh


def test_a_program_that_cannot_be_had_is_not_counted_as_lent(tmp_path: Path) -> None:
    shop = Shop(tmp_path / "artifacts", budget_bytes=1_500)
    first, second = (shop.release(bytes([n]) * 1_000) for n in range(2))
    key = next(key for key in shop.store.objects if key.endswith(".cwasm"))
    code = shop.store.objects.pop(key)
    refusal(lambda: shop.cache.obtain(first))
    shop.store.objects[key] = code
    shop.cache.obtain(first)
    shop.cache.obtain(second)
    assert shop.cache.size_bytes() == 1_000


def test_a_disk_that_takes_no_file_is_our_fault_and_passes(shop: Shop) -> None:
    shop.folder.write_bytes(b"in the way")
    assert refusal(lambda: shop.cache.obtain(shop.release(b"code"))) == "runner_unavailable"


def test_concurrent_first_loads_fetch_once(shop: Shop) -> None:
    bundle = shop.release(b"code" * 1_000)
    found = []
    threads = [threading.Thread(target=lambda: found.append(shop.cache.obtain(bundle))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(obtained.fresh for obtained in found) == 1
    assert len({obtained.artifact for obtained in found}) == 1
