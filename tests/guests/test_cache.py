"""Builds kept by content: done once, by one process, and never kept in halves."""

import multiprocessing
import time
from pathlib import Path

import pytest

from tools.guests import cache
from tools.guests.inputs import files_below, hash_of


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(cache, "CACHE", tmp_path)
    return tmp_path / "shelf"


def test_a_build_is_done_once(shelf: Path) -> None:
    done: list[Path] = []

    def build(work: Path) -> None:
        done.append(work)
        (work / "result").write_text("built")

    first, second = (cache.built("shelf", "key", build) for _ in range(2))
    assert first == second == shelf / "key"
    assert (first / "result").read_text() == "built"
    assert len(done) == 1


def test_a_failed_build_leaves_nothing_and_can_be_tried_again(shelf: Path) -> None:
    def fail(work: Path) -> None:
        (work / "half").write_text("")
        raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        cache.built("shelf", "key", fail)
    assert [path.name for path in shelf.iterdir() if path.is_dir()] == []
    assert cache.built("shelf", "key", lambda work: (work / "whole").touch()).is_dir()


def _build_slowly(root: Path) -> None:
    pytest.MonkeyPatch().setattr(cache, "CACHE", root)  # this process ends with the build

    def build(work: Path) -> None:
        with (root / "builds").open("a") as log:
            log.write("built\n")
        time.sleep(0.3)
        (work / "result").touch()

    assert (cache.built("shelf", "key", build) / "result").exists()


def test_processes_that_want_the_same_build_do_it_once(tmp_path: Path) -> None:
    spawn = multiprocessing.get_context("spawn")
    processes = [spawn.Process(target=_build_slowly, args=(tmp_path,)) for _ in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0, 0]
    assert (tmp_path / "builds").read_text() == "built\n"


def test_the_hash_tells_names_contents_and_facts_apart_but_not_places(tmp_path: Path) -> None:
    def tree(place: str, files: dict[str, str], facts: tuple[str, ...] = ("tool 1",)) -> str:
        folder = tmp_path / place
        for name, content in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(content)
        return hash_of(facts, [(folder, files_below(folder))])

    base = tree("a", {"one": "1", "two": "2"})
    assert tree("b", {"two": "2", "one": "1"}) == base
    assert tree("c", {"one": "12", "two": ""}) != base
    assert tree("d", {"one": "1", "to": "2"}) != base
    assert tree("e", {"one": "1", "two": "2"}, ("tool 2",)) != base
    assert tree("f", {"one": "1", "two": "2", ".hidden": "", "node_modules/x.js": "", "dist/y.js": ""}) == base
