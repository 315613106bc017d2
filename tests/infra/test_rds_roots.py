"""The roots of RDS in the layer `core`, as the runtime's Python reads them, and the TLS of the built code with them."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from tests.support.tls import Authority
from tests.support.tls_front import tls_front

FIXED_DATE = datetime(2046, 1, 1, tzinfo=UTC)
"""Until then, no deployed asset has an expired root."""

LOADED = """
import json, pathlib, ssl, sys
found = {}
for path in pathlib.Path(sys.argv[1]).glob("*.pem"):
    context = ssl.create_default_context(cafile=path)
    found[path.stem] = [len(context.get_ca_certs()), bool(context.verify_flags & ssl.VERIFY_X509_STRICT)]
print(json.dumps(found))
"""

CONNECTED = """
import json, sys
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Database
database = Database(sys.argv[1])
try:
    with database.system() as tx:
        print(json.dumps([tx.one("select 7 as n")["n"], ""]))
    database.close()
except PlatformError as error:
    print(json.dumps([error.code, str(error.context["cause"])]))
"""


@pytest.fixture(scope="module")
def roots(dist: Path) -> Path:
    return dist / "layers/core/rds"


def answer(runtime: Path, script: str, *arguments: object, folders: tuple[Path, ...] = ()) -> Any:
    """Run a script with the runtime's Python and return the JSON that it prints."""
    command = [str(runtime), "-s", "-c", script, *map(str, arguments)]
    environment = {"PYTHONPATH": ":".join(map(str, folders))}
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return json.loads(ran.stdout)


def test_the_runtimes_python_loads_three_roots_of_each_region_under_strict_rules(roots: Path, runtime: Path) -> None:
    found = answer(runtime, LOADED, roots)

    assert len(found) > 20
    assert {region: loaded for region, loaded in found.items() if loaded != [3, True]} == {}


def test_every_root_is_an_authority_that_has_not_expired(roots: Path) -> None:
    wrong = []
    for path in roots.iterdir():
        for certificate in x509.load_pem_x509_certificates(path.read_bytes()):
            basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
            is_root = basic.critical and basic.value.ca and certificate.issuer == certificate.subject
            if not (is_root and certificate.not_valid_before_utc < FIXED_DATE < certificate.not_valid_after_utc):
                wrong.append((path.name, certificate.subject.rfc4514_string()))
    assert wrong == []


def test_the_layer_has_no_other_certificates(roots: Path) -> None:
    assert [path.name for path in roots.iterdir() if path.suffix != ".pem"] == []


def connected(dist: Path, runtime: Path, server_url: str, host: str, certificates: Path, folder: Path) -> list[Any]:
    """Connect with the built code to a real server behind a certificate of ``folder``'s authority for ``host``."""
    own, place = server_url.rpartition("@")[::2]
    port, database = place.removeprefix("127.0.0.1:").split("/")
    with tls_front(int(port), Authority(folder).server_context(host)) as front:
        query = f"sslmode=verify-full&sslrootcert={certificates}"
        url = f"{own}@localhost:{front.port}/{database}?{query}"
        layers = tuple(dist / "layers" / name / "python" for name in ("core", "deps"))
        found: list[Any] = answer(runtime, CONNECTED, url, folders=layers)
    return found


def test_a_server_that_its_authority_vouches_for_is_connected(
    dist: Path, runtime: Path, postgres_server: str, tmp_path: Path
) -> None:
    assert connected(dist, runtime, postgres_server, "localhost", tmp_path / "ca.pem", tmp_path) == [7, ""]


def test_a_server_with_the_certificate_of_another_name_is_refused(
    dist: Path, runtime: Path, postgres_server: str, tmp_path: Path
) -> None:
    code, cause = connected(dist, runtime, postgres_server, "other.example", tmp_path / "ca.pem", tmp_path)

    assert code == "database_unavailable"
    assert "certificate is not valid for 'localhost'" in cause


def test_a_server_that_the_roots_of_rds_do_not_vouch_for_is_refused(
    dist: Path, runtime: Path, postgres_server: str, roots: Path, tmp_path: Path
) -> None:
    code, cause = connected(dist, runtime, postgres_server, "localhost", roots / "eu-central-1.pem", tmp_path)

    assert code == "database_unavailable"
    assert "certificate verify failed" in cause
