"""Encodings, conditions and ranges, as RFC 9110 has them."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from functions.uihost.negotiation import byte_range, choose_encoding, etag_matches, http_name

BOTH = {"identity", ".br", ".gz"}


@pytest.mark.parametrize(
    ("header", "chosen"),
    [
        ("", "identity"),
        ("br", ".br"),
        ("gzip", ".gz"),
        ("gzip, br", ".br"),
        ("gzip, deflate, br, zstd", ".br"),
        ("*", ".br"),
        ("BR", ".br"),
        ("GZip", ".gz"),
        ("deflate", "identity"),
        ("br;q=0", "identity"),
        ("br;q=0, gzip", ".gz"),
        ("br;Q=0", "identity"),
        ("br; q=0.0", "identity"),
        ("*;q=0", "identity"),
        ("br;q=0,*", ".gz"),
        ("gzip;q=1, br;q=0.5", ".gz"),
        ("gzip;q=0.5, br;q=1.0", ".br"),
        ("identity", "identity"),
        ("x-br", "identity"),
        ("br;q=x", "identity"),
        ("br;q=nan", "identity"),
        ("br;q=inf", "identity"),
        ("br;q=-1", "identity"),
        ("br;q=1_0", "identity"),
        ("br;level=9", "identity"),
        (",,,", "identity"),
        ("gzip;q=0.001", ".gz"),
        ("br;q=0.0001", "identity"),
        ("br;q=1x", "identity"),
        ("br;xq=1", "identity"),
        ("gzip, br;q=1", ".br"),
        ("gzip, br;q=0.999", ".gz"),
        ("x," * 31 + "br", ".br"),
        ("x," * 32 + "br", "identity"),
    ],
)
def test_the_form_the_caller_likes_best_is_sent(header: str, chosen: str) -> None:
    assert choose_encoding(header, BOTH) == chosen


def test_only_a_form_that_is_there_is_sent() -> None:
    assert choose_encoding("br, gzip", {"identity", ".gz"}) == ".gz"
    assert choose_encoding("br, gzip", {"identity"}) == "identity"


@given(st.text(st.sampled_from("brgzip*;q=01., "), max_size=30))
def test_no_header_makes_us_send_a_form_the_caller_refused(header: str) -> None:
    chosen = choose_encoding(header, BOTH)
    name = http_name(chosen)

    assert chosen in BOTH
    assert name is None or re.search(rf"(^|,)\s*({name}|\*)\s*(;\s*q=(1|0?\.\d*[1-9]|0\.\d*[1-9]|1\.0*)|,|$)", header)


def test_only_encodings_have_a_name() -> None:
    assert [http_name(form) for form in (".br", ".gz", "identity")] == ["br", "gzip", None]


@pytest.mark.parametrize(
    ("header", "does"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ('"b",W/"a"', True),
        ("*", True),
        ('"b"', False),
        ("", False),
        ("a", False),
        ('"A"', False),
        ('w/"a"', False),
    ],
)
def test_a_known_etag_matches_weakly(header: str, does: bool) -> None:
    assert etag_matches(header, '"a"') is does


# Ranges, against a slow reference


def slow_range(header: str, size: int) -> list[int] | str | None:
    """The positions a range names, None for 'send everything', or 'unsatisfiable'."""
    match = re.fullmatch(r"bytes=([0-9]*)-([0-9]*)", header)
    if match is None or match[1] == match[2] == "":
        return None
    positions = list(range(size))
    if match[1] == "":
        kept = positions[-int(match[2]) :] if int(match[2]) else []
    elif match[2] == "":
        kept = positions[int(match[1]) :]
    elif int(match[2]) < int(match[1]):
        return None
    else:
        kept = positions[int(match[1]) : int(match[2]) + 1]
    return kept or "unsatisfiable"


numbers = st.just("") | st.integers(0, 30).map(str)


@given(st.builds("bytes={}-{}".format, numbers, numbers), st.integers(0, 20))
def test_a_range_is_what_the_slow_rule_says(header: str, size: int) -> None:
    expected = slow_range(header, size)
    if expected == "unsatisfiable":
        with pytest.raises(ValueError, match="range"):
            byte_range(header, size)
        return
    found = byte_range(header, size)
    assert (list(range(found[0], found[1] + 1)) if found else None) == expected


@pytest.mark.parametrize(
    "header",
    [
        "",
        "bytes",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=0-1,3-4",
        "bytes=5-2",
        "items=0-1",
        "xbytes=0-1",
        "bytes=0-9999999999999999999",
        "bytes=0000000000000000001-2",
        "bytes=-0000000000000000001",
        "bytes=-1-2",
        "bytes=0--1",
        "bytes=+0-1",
        "bytes=0x0-1",
        "bytes=٠-٣",
        "bytes 0-1",
        "bytes=0-1\n2",
        "bytes=" + "9" * 5000 + "-",
    ],
)
def test_a_range_that_is_not_understood_means_everything(header: str) -> None:
    assert byte_range(header, 10) is None


@pytest.mark.parametrize(
    ("header", "size", "found"),
    [
        ("bytes=0-0", 10, (0, 0)),
        ("bytes=9-9", 10, (9, 9)),
        ("bytes=0-9", 10, (0, 9)),
        ("bytes=3-", 10, (3, 9)),
        ("bytes=3-20", 10, (3, 9)),
        ("bytes=0-999999999999999999", 10, (0, 9)),
        ("bytes=000000000000000001-2", 10, (1, 2)),
        ("bytes=-3", 10, (7, 9)),
        ("bytes=-10", 10, (0, 9)),
        ("bytes=-20", 10, (0, 9)),
        ("bytes=0-", 1, (0, 0)),
        ("bytes=-1", 1, (0, 0)),
    ],
)
def test_a_range_names_its_first_and_last_byte(header: str, size: int, found: tuple[int, int]) -> None:
    assert byte_range(header, size) == found


@pytest.mark.parametrize("header", ["bytes=0-", "bytes=0-0", "bytes=-1", "bytes=-5"])
def test_an_empty_file_has_no_range(header: str) -> None:
    with pytest.raises(ValueError, match="range"):
        byte_range(header, 0)


@pytest.mark.parametrize("header", ["bytes=10-", "bytes=10-20", "bytes=-0", "bytes=999999999999999999-"])
def test_a_range_behind_the_end_is_refused(header: str) -> None:
    with pytest.raises(ValueError, match="range"):
        byte_range(header, 10)


def test_the_unit_is_read_without_regard_to_letter_case() -> None:
    assert byte_range("Bytes=0-1", 10) == (0, 1)
