"""The lists of files that the architecture page gives for reading a call, a publication and a fetch."""

import re

import pytest

from tests.support.places import ROOT

PAGE = (ROOT / "docs" / "explanation" / "architecture.md").read_text(encoding="utf-8")
LIMITS = {"Reading a call": 8, "Reading a publication": 8, "Reading an `http.fetch`": 6}

each_list = pytest.mark.parametrize("title", LIMITS)


def files(title: str) -> list[str]:
    """The files of one list, in the order of reading."""
    section = PAGE.partition(f"## {title}\n")[2].partition("\n## ")[0]
    return re.findall(r"^\d+\. `([^`]+)`", section, re.MULTILINE)


@each_list
def test_the_files_of_a_list_exist(title: str) -> None:
    assert [name for name in files(title) if not (ROOT / name).is_file()] == []


@each_list
def test_a_list_is_no_longer_than_promised(title: str) -> None:
    assert 3 <= len(files(title)) <= LIMITS[title]


def test_every_file_of_the_concept_table_exists() -> None:
    table = PAGE.partition("## Where to find a thing")[2].partition("\n## ")[0]
    named = re.findall(r"`([\w./-]+/[\w./-]*)`", "\n".join(re.findall(r"^\|.*\|$", table, re.MULTILINE)))
    places = (ROOT, ROOT / "functions", ROOT / "layers" / "core" / "python")
    assert len(named) > 50
    assert [name for name in named if not any((place / name).exists() for place in places)] == []
