"""`alga-ext trust new`: the first trust bundle of a deployment, from the public keys that sign for it."""

from pathlib import Path

import pytest

from alga_ext.trust.signing import LocalSigner
from alga_ext.trust.trust_document import parse_trust_bundle
from tools.cli.main import DONE, FAILED, run

USES = ("release", "artifact", "log")


@pytest.fixture
def keys(tmp_path: Path) -> dict[str, LocalSigner]:
    made = {use: LocalSigner.generate() for use in USES}
    for use, signer in made.items():
        (tmp_path / f"{use}.pub.pem").write_text(signer.public_pem)
    return made


def new(folder: Path, out: str = "bundle.json", **other: str) -> int:
    files = {use: other.get(use, str(folder / f"{use}.pub.pem")) for use in USES}
    options = [part for use, file in files.items() for part in (f"--{use}", file)]
    return run(["trust", "new", *options, "--out", str(folder / out)])


def test_a_new_bundle_has_each_key_with_its_use(tmp_path: Path, keys: dict[str, LocalSigner]) -> None:
    assert new(tmp_path) == DONE
    bundle = parse_trust_bundle((tmp_path / "bundle.json").read_text())
    assert {key.use: key.key_id for key in bundle.keys} == {use: signer.key_id for use, signer in keys.items()}


def test_a_new_bundle_can_be_signed_and_shown(tmp_path: Path, keys: dict[str, LocalSigner]) -> None:
    new(tmp_path)
    root = LocalSigner.generate()
    (tmp_path / "root.pem").write_text(root.private_pem)
    (tmp_path / "root.pub.pem").write_text(root.public_pem)
    sign = ["trust", "sign", str(tmp_path / "bundle.json"), "--key", str(tmp_path / "root.pem"), "--version", "1"]
    assert run([*sign, "--out", str(tmp_path / "trust.json")]) == DONE
    assert run(["trust", "show", str(tmp_path / "trust.json"), "--root", str(tmp_path / "root.pub.pem")]) == DONE


def test_an_existing_bundle_is_not_overwritten(tmp_path: Path, keys: dict[str, LocalSigner]) -> None:
    (tmp_path / "bundle.json").write_text("kept")
    assert new(tmp_path) == FAILED
    assert (tmp_path / "bundle.json").read_text() == "kept"


def test_a_file_that_is_missing_is_named(
    tmp_path: Path, keys: dict[str, LocalSigner], capsys: pytest.CaptureFixture[str]
) -> None:
    assert new(tmp_path, log="absent.pem") == FAILED
    assert "absent.pem is not a file" in capsys.readouterr().err
    assert not (tmp_path / "bundle.json").exists()


def test_a_private_key_is_refused_and_not_shown(
    tmp_path: Path, keys: dict[str, LocalSigner], capsys: pytest.CaptureFixture[str]
) -> None:
    private = tmp_path / "private.pem"
    private.write_text(keys["log"].private_pem)
    assert new(tmp_path, log=str(private)) == FAILED
    assert "BEGIN" not in capsys.readouterr().err
