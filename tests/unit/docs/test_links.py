"""Links, anchors, files and tests that the documentation names are there, and every page can be reached."""

import re
from functools import cache
from pathlib import Path

import pytest

from tests.support.places import ROOT

SKIPPED = {".venv", "node_modules", ".build", ".local", ".git", ".hypothesis"}
PAGES = sorted(p for p in ROOT.rglob("*.md") if not SKIPPED & set(p.relative_to(ROOT).parts))
DOCS = [page for page in PAGES if page.is_relative_to(ROOT / "docs")]
# Where a path in prose may begin.
PLACES = [
    ROOT,
    ROOT / "layers" / "core" / "python",
    ROOT / "functions",
    ROOT / "functions" / "runner",
    ROOT / "tests" / "unit",
]

FENCE = re.compile(r"^ *```.*?^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[(?:[^\]]|\]\()*?\]\(([^)\s]+)\)")
# Only paths that begin with a folder of ours: `server/app.py` is the reader's own.
OURS = (
    r"alga_ext|docs|functions|gateway|host|layers|migrations|registry|runner|samples|sandbox|tests|tools|topology|uihost"
    r"|web|wit"
)
NAMED_FILE = re.compile(rf"`((?:{OURS})/[\w./-]+\.(?:py|sql|wit|md|toml|json|ts))`")
NAMED_TEST = re.compile(r"`(test_\w+)`")


def prose(page: Path) -> str:
    return FENCE.sub("", page.read_text(encoding="utf-8"))


@cache
def anchors(page: Path) -> frozenset[str]:
    titles = re.findall(r"^#+ (.+)$", prose(page), flags=re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles)


def is_elsewhere(target: str) -> bool:
    return target.startswith(("https://", "http://", "mailto:"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_resolves(page: Path) -> None:
    broken = []
    for target in LINK.findall(prose(page)):
        path, _, anchor = target.partition("#")
        found = (page.parent / path).resolve() if path else page
        if is_elsewhere(target):
            continue
        if not found.exists() or (anchor and found.suffix == ".md" and anchor not in anchors(found)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", DOCS, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_that_prose_names_exist(page: Path) -> None:
    named = [name for name in NAMED_FILE.findall(prose(page)) if "NNNN" not in name]
    missing = [name for name in named if not any((place / name).exists() for place in PLACES)]
    assert missing == []


def test_tests_that_pages_name_exist() -> None:
    defined = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in (path.stem, *re.findall(r"def (test_\w+)", path.read_text(encoding="utf-8")))
    }
    named = {name for page in DOCS for name in NAMED_TEST.findall(prose(page))}
    assert named - defined == set()


def test_every_page_can_be_reached_from_the_index() -> None:
    seen: set[Path] = set()
    waiting = [ROOT / "docs" / "index.md"]
    while waiting:
        page = waiting.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        links = [target.partition("#")[0] for target in LINK.findall(prose(page)) if not is_elsewhere(target)]
        waiting += [(page.parent / path).resolve() for path in links if path]
    assert [page for page in DOCS if page not in seen] == []
