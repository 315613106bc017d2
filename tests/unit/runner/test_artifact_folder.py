"""Each process has a folder of its own for artifacts, and those of processes that ended are removed."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from functions.runner.artifact_folder import claim_folder

ROOT: Final = Path(__file__).parents[3]
_CLAIM: Final = """
import sys
from pathlib import Path
from functions.runner.artifact_folder import claim_folder
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


def test_artifacts_that_belong_to_nobody_are_removed(tmp_path: Path) -> None:
    (tmp_path / "old.cwasm").write_bytes(b"code")
    (tmp_path / "old.partial").write_bytes(b"code")
    own = claim_folder(tmp_path)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted(["claims.lock", own.name])
