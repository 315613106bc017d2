"""Which forms of a secret are removed from a text."""

import json

import pytest

from functions.runner.imports.call_secrets import SecretBox
from tests.unit.runner.imports.test_secrets import box, reading

KEY = "-----BEGIN-----\nMIIEvQIB\nADANBgk\nabcd\nxyz\n-----END-----\n"
QUOTED = 'pass"wörd\\1'


def read(**values: str) -> SecretBox:
    """The secrets of a call in which the guest has read all of them."""
    made = box({name: [] for name in values}, None, left_s=5.0, **values)
    secrets = reading(made)
    assert [secrets.get(name)[0] for name in values] == [True] * len(values)
    return made


@pytest.mark.parametrize(("value", "scrubbed"), [("xyz", False), ("wxyz", True), ("vwxyz", True)])
def test_a_value_is_scrubbed_from_four_characters_on(value: str, scrubbed: bool) -> None:
    assert read(a=value).scrub(f"<{value}>") == ("<[secret a]>" if scrubbed else f"<{value}>")


def test_a_value_of_several_lines_is_scrubbed_whole() -> None:
    assert read(a=KEY).scrub(f"<{KEY}>") == "<[secret a]>"


@pytest.mark.parametrize("line", ["-----BEGIN-----", "MIIEvQIB", "-----END-----"])
def test_a_line_of_eight_characters_of_a_longer_value_is_scrubbed(line: str) -> None:
    assert read(a=KEY).scrub(f"<{line}>") == "<[secret a]>"


@pytest.mark.parametrize("line", ["ADANBgk", "abcd", "xyz"])
def test_a_shorter_line_of_a_longer_value_stays(line: str) -> None:
    assert read(a=KEY).scrub(f"<{line}>") == f"<{line}>"


def test_two_lines_are_several() -> None:
    made = read(a="abcd\nefgh1234")

    assert made.scrub("<abcd> <efgh1234>") == "<abcd> <[secret a]>"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_value_with_a_line_end_behind_it_is_one_line(end: str) -> None:
    assert read(a=f"wxyz{end}").scrub("<wxyz>") == "<[secret a]>"


@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_value_is_scrubbed_as_json_writes_it(ascii_only: bool) -> None:
    text = json.dumps({"password": QUOTED}, ensure_ascii=ascii_only)

    assert read(a=QUOTED).scrub(text) == '{"password": "[secret a]"}'


@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_line_of_a_value_is_scrubbed_as_json_writes_it(ascii_only: bool) -> None:
    text = json.dumps([QUOTED], ensure_ascii=ascii_only)

    assert read(a=f"{QUOTED}\nand more").scrub(text) == '["[secret a]"]'


@pytest.mark.parametrize("ascii_only", [True, False])
def test_a_value_of_several_lines_is_scrubbed_as_json_writes_it(ascii_only: bool) -> None:
    assert read(a=KEY).scrub(json.dumps([KEY], ensure_ascii=ascii_only)) == '["[secret a]"]'


def test_every_occurrence_and_every_secret_is_scrubbed() -> None:
    made = read(a="first-value", b="other-value")

    assert made.scrub("first-value other-value first-value") == "[secret a] [secret b] [secret a]"


def test_a_secret_that_was_not_read_is_not_known() -> None:
    assert box({"a": []}, a="first-value").scrub("first-value") == "first-value"


@pytest.mark.parametrize("text", ["FIRST-VALUE", "first-value", "First-Value"])
def test_a_value_in_any_case_is_scrubbed_where_case_is_lost(text: str) -> None:
    made = read(a="First-Value")

    assert made.scrub_any_case(f"x.{text}.test") == "x.[secret a].test"
    assert made.scrub(text) == ("[secret a]" if text == "First-Value" else text)


@pytest.mark.parametrize("kept", range(4, 11))
def test_any_beginning_of_four_characters_at_a_cut_is_scrubbed(kept: int) -> None:
    assert read(a="first-value").scrub_cut("<" + "first-value"[:kept]) == "<[secret a]"


@pytest.mark.parametrize("text", ["<fir", "<", "", "first-val>"])
def test_what_is_no_such_beginning_stays(text: str) -> None:
    assert read(a="first-value").scrub_cut(text) == text
