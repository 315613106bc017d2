"""Each process and each job has a folder of its own, and those of the ones that were killed are removed."""

import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from alga_ext.stores.work_folders import claim_folder, job_folder
from tests.support.places import ROOT

_CLAIM: Final = """
import sys
from pathlib import Path
from alga_ext.stores.work_folders import claim_folder
own = claim_folder(Path(sys.argv[1]))
(own / "code.cwasm").write_bytes(b"code")
print(own, flush=True)
sys.stdin.read()
"""


def claiming(base: Path) -> subprocess.Popen[str]:
    """Start a process that claims a folder, prints it and lives until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", _CLAIM, str(base)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT
    )


def folder_of(process: subprocess.Popen[str]) -> Path:
    assert process.stdout is not None
    return Path(process.stdout.readline().strip())


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_is_empty_and_below_the_base(tmp_path: Path) -> None:
    own = claim_folder(tmp_path / "artifacts")
    assert (own.parent, [entry for entry in own.iterdir() if entry.suffix == ".cwasm"]) == (tmp_path / "artifacts", [])


def test_two_claims_never_share_a_folder(tmp_path: Path) -> None:
    first, second = claim_folder(tmp_path), claim_folder(tmp_path)
    assert (first != second, first.exists()) == (True, True)


def test_the_folder_of_a_process_that_lives_stays(tmp_path: Path) -> None:
    with claiming(tmp_path) as process:
        theirs = folder_of(process)
        claim_folder(tmp_path)
        kept = (theirs / "code.cwasm").read_bytes()
        process.communicate()
    assert kept == b"code"


def test_the_folder_of_a_process_that_was_killed_is_removed(tmp_path: Path) -> None:
    with claiming(tmp_path) as process:
        theirs = folder_of(process)
        process.kill()
    claim_folder(tmp_path)
    assert not theirs.exists()


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("keep me")
    (tmp_path / "photos").mkdir()
    claim_folder(tmp_path)
    assert ((tmp_path / "letter.txt").exists(), (tmp_path / "photos").exists()) == (True, True)


def test_a_job_has_a_folder_of_its_own_that_ends_with_it(temporary: Path) -> None:
    with job_folder("publish") as one, job_folder("publish") as other:
        (one / "bundle.tar.zst").write_bytes(b"bytes")
        assert (one.parent, one == other) == (temporary / "alga-ext" / "publish", False)
    assert not one.exists()


def test_the_folder_of_a_job_that_failed_is_removed(temporary: Path) -> None:
    with pytest.raises(ZeroDivisionError), job_folder("publish") as failed:
        raise ZeroDivisionError
    assert [entry.name for entry in failed.parent.iterdir()] == ["claims.lock"]


def test_what_a_killed_job_left_is_removed_by_the_next(temporary: Path) -> None:
    with claiming(temporary / "alga-ext" / "publish") as process:
        theirs = folder_of(process)
        process.kill()
    with job_folder("publish"):
        assert not theirs.exists()


def test_what_was_killed_while_it_was_removed_is_removed_by_the_next(temporary: Path) -> None:
    with claiming(temporary / "alga-ext" / "publish") as process:
        theirs = folder_of(process)
        process.kill()
    (theirs / "alive.lock").unlink()
    with job_folder("publish"):
        assert not theirs.exists()


def descriptors_in(folder: Path) -> list[str]:
    """What this process has open below a folder; servers of other tests open and close descriptors all the time."""
    targets = []
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the descriptor of this listing
            targets.append(str(entry.readlink()))
    return [target for target in targets if target.startswith(str(folder))]


def test_jobs_hold_no_descriptor_when_they_have_ended(temporary: Path) -> None:
    with job_folder("publish"):
        assert descriptors_in(temporary) != []
    assert descriptors_in(temporary) == []
