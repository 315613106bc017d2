"""The trust bundle as it is now: what its file says counts from the next use on."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from alga_ext.errors import PlatformError
from alga_ext.trust.signing import LocalSigner
from alga_ext.trust.trust_source import TrustSource
from tests.support.keys import ACME
from tests.support.refusals import code_of

OTHER = LocalSigner.generate()


def document(*signers: LocalSigner) -> str:
    keys: Sequence[dict[str, str]] = [{"key_id": s.key_id, "public_key": s.public_pem} for s in signers]
    return json.dumps({"version": 1, "keys": keys})


def replace(path: Path, text: str) -> None:
    """Put another file in place of one, as an operator should."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    made = tmp_path / "trust.json"
    made.write_text(document(ACME))
    return made


def keys_of(source: TrustSource) -> list[str]:
    return [key.key_id for key in source.current().keys]


def test_a_bundle_given_in_place_is_always_the_same_object() -> None:
    source = TrustSource(document(ACME))

    assert source.current() is source.current()


def test_a_file_that_did_not_change_is_the_same_object(path: Path) -> None:
    source = TrustSource(str(path))

    assert source.current() is source.current()


def test_a_file_that_was_replaced_is_read_again(path: Path) -> None:
    source = TrustSource(str(path))
    replace(path, document(OTHER))

    assert keys_of(source) == [OTHER.key_id]


def test_a_file_that_was_written_over_is_read_again(path: Path) -> None:
    source = TrustSource(str(path))
    path.write_text(document(ACME, OTHER))

    assert keys_of(source) == [ACME.key_id, OTHER.key_id]


def test_a_file_of_the_same_size_and_time_is_read_again(path: Path) -> None:
    source, before = TrustSource(str(path)), path.stat()
    replace(path, document(OTHER))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))

    assert keys_of(source) == [OTHER.key_id]


@pytest.mark.parametrize(
    "text", ["", "{", document(ACME)[:-1], '{"version":1,"keys":[{"key_id":"x","public_key":"x"}]}']
)
def test_the_last_bundle_is_not_used_when_the_file_is_no_bundle(path: Path, text: str) -> None:
    source = TrustSource(str(path))
    replace(path, text)

    assert code_of(source.current) == "policy_unavailable"


def test_the_last_bundle_is_not_used_when_the_file_is_gone(path: Path) -> None:
    source = TrustSource(str(path))
    path.unlink()

    assert code_of(source.current) == "policy_unavailable"


def test_bytes_that_are_no_text_are_refused(path: Path) -> None:
    source = TrustSource(str(path))
    path.write_bytes(b"\xff\xfe{}")

    assert code_of(source.current) == "policy_unavailable"


def test_a_mended_file_is_accepted_again(path: Path) -> None:
    source = TrustSource(str(path))
    replace(path, "{")
    code_of(source.current)
    replace(path, document(OTHER))

    assert keys_of(source) == [OTHER.key_id]


def test_the_refusal_says_to_the_caller_nothing_of_the_file(path: Path) -> None:
    source = TrustSource(str(path))
    path.unlink()

    with pytest.raises(PlatformError) as refusal:
        source.current()

    assert str(path) not in refusal.value.detail


def test_a_bad_bundle_shows_when_the_function_starts(path: Path) -> None:
    path.write_text("{")

    assert code_of(lambda: TrustSource(str(path))) == "trust_bundle_invalid"
