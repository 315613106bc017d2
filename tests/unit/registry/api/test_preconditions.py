"""A change is made to the state that the caller has read, or not at all."""

import hashlib
from datetime import UTC, datetime

import pytest
from pydantic import BaseModel

from functions.registry.api.preconditions import check_match, etag_of, is_current, revision_tag
from tests.support.refusals import code_of


class Shown(BaseModel):
    """A resource of two members."""

    name: str
    state: str


TAG = etag_of(Shown(name="a", state="ready"))


@pytest.mark.parametrize("if_match", [None, "*", " * ", TAG, f" {TAG} ", f'"0", {TAG}', f'{TAG},"0"'])
def test_a_change_of_the_current_state_is_made(if_match: str | None) -> None:
    assert code_of(lambda: check_match(if_match, TAG)) is None


@pytest.mark.parametrize("if_match", ["", '"0"', TAG[1:-1], TAG[:-1], f"W/{TAG}", f"{TAG}x", f"x{TAG}", "**", '"*"'])
def test_a_change_of_another_state_is_refused(if_match: str) -> None:
    assert code_of(lambda: check_match(if_match, TAG)) == "precondition_failed"


@pytest.mark.parametrize("if_none_match", [TAG, f"W/{TAG}", f'"0", {TAG}', "*"])
def test_a_caller_with_the_current_state_is_told_so(if_none_match: str) -> None:
    assert is_current(if_none_match, TAG)


@pytest.mark.parametrize("if_none_match", [None, "", '"0"', TAG[1:-1], f"{TAG}x", '"*"'])
def test_a_caller_with_another_state_gets_the_current_one(if_none_match: str | None) -> None:
    assert not is_current(if_none_match, TAG)


def test_a_tag_changes_with_every_member_and_with_nothing_else() -> None:
    tags = {etag_of(Shown(name=name, state=state)) for name in "ab" for state in ("ready", "yanked")}

    assert len(tags) == 4
    assert etag_of(Shown(state="ready", name="a")) == TAG
    assert len(TAG) == 34
    assert TAG.strip('"').isalnum()


def test_a_tag_is_a_hash_of_the_json_that_a_caller_reads() -> None:
    class Dated(BaseModel):
        state: str
        at: datetime

    shown = '{"at":"2026-06-01T00:00:00Z","state":"é"}'.replace("é", "\\u00e9")

    assert etag_of(Dated(state="é", at=datetime(2026, 6, 1, tzinfo=UTC))) == (
        f'"{hashlib.sha256(shown.encode()).hexdigest()[:32]}"'
    )


def test_the_tag_of_an_install_is_its_revision() -> None:
    assert revision_tag(7) == '"7"'
