"""The runner of this repository as it is deployed: processes of its own behind Lambda Invoke and plain HTTP.

    python -m tests.conformance.deployed [http|lambda]

starts one with everything around it and prints the environment that ``remote`` reads, until it is interrupted.
"""

import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from alga_ext.stores.database import Database
from alga_ext.trust.signing import LocalSigner
from functions.registry.migrations.migrate import migrate
from tests.conformance.surroundings import LOOPBACK
from tests.conftest import MIGRATIONS, PASSWORD, ROLES
from tests.support.fake_application import TOKEN
from tests.support.servers import Loop, start_moto, start_postgres
from tests.support.tls import Authority
from tools.local.cloud import LOCAL_CREDENTIALS, make_cloud
from tools.local.deployment import PRIVATE_FOLDERS, function_spec
from tools.local.function_processes import Functions
from tools.local.http_front import Front
from tools.local.invoke_api import InvokeApi
from tools.local.keys import LocalKeys, load_or_make_keys, write_private
from tools.local.ports import free_port
from tools.local.postgres import database_url, make_database
from tools.local.state import ROOT
from topology.functions import RUNNER
from topology.routes import Route

HOST: Final = "localhost"


@contextmanager
def deployed(loop: Loop, folder: Path, moto_url: str, owner_url: str) -> Iterator[dict[str, dict[str, str]]]:
    """Start the runner twice, and give the environments by which ``http`` and ``lambda`` reach it.

    Args:
        loop: for the servers.
        folder: for keys, certificates, logs and the processes' own folders.
        moto_url: S3 and KMS.
        owner_url: a migrated database as its superuser.
    """
    cloud, keys = make_cloud(moto_url), load_or_make_keys(folder / "keys")
    host_port, records_port = free_port(), free_port()
    Authority(folder / "tls").server_context(HOST)
    aws = {
        **LOCAL_CREDENTIALS,
        "AWS_DEFAULT_REGION": LOCAL_CREDENTIALS["AWS_REGION"],
        "AWS_ENDPOINT_URL": moto_url,
    }
    store = {"BUNDLE_STORE_BASE": cloud.bundle_store_base, "SIGNING_TRUST_BUNDLE": _file(folder, "trust", keys)}
    environment = {
        **aws,
        **store,
        "PYTHONPATH": str(ROOT / "layers" / "core" / "python"),
        "DATABASE_URL": database_url(owner_url, role="fn_runner", password=PASSWORD),
        "EXECUTION_TOKEN_PUBLIC_KEY": keys.execution.public_pem,
        "SECRETS_KEY_ID": cloud.secrets_key_id,
        "EGRESS_PRIVATE_NETWORKS": LOOPBACK,
        "EGRESS_CA_BUNDLE": str(folder / "tls" / "ca.pem"),
        "UI_PROXY_BASE_URL": f"http://{HOST}:{host_port}",
        "UI_PROXY_AUTH_TOKEN": TOKEN,
        "HOST_API_BASE_URL": f"http://{HOST}:{records_port}",
        "HOST_API_AUTH_TOKEN": TOKEN,
        "UI_PROXY_SIGNING_KEY": LocalSigner.generate().private_pem,
    }
    runner = function_spec(RUNNER, environment, PRIVATE_FOLDERS)
    plain = replace(runner, name="runner-http", per_tenant=False, processes_max=1)
    functions = Functions([runner, plain], folder / "logs", folder / "tmp")
    api, front = InvokeApi(functions), Front(functions, [Route("/v1", "runner-http", ("POST",))])
    publish = {**store, **aws, "ARTIFACT_SIGNING_KEY": _file(folder, "artifact", keys),
               "RELEASE_SIGNING_KEY": _file(folder, "release", keys)}  # fmt: skip
    told = {
        **aws,
        "AWS_ENDPOINT_URL_LAMBDA": loop.run(_started(functions, api)),
        "CONFORMANCE_TOKEN_KEY": _file(folder, "execution", keys),
        "CONFORMANCE_PUBLISH": shlex.join(
            [
                "env",
                *(f"{name}={value}" for name, value in publish.items()),
                sys.executable,
                "-m",
                "tests.conformance.publish",
            ]
        ),
        "CONFORMANCE_DATABASE_URL": owner_url,
        "CONFORMANCE_SECRETS_KEY_ID": cloud.secrets_key_id,
        "CONFORMANCE_EGRESS_HOST": HOST,
        "CONFORMANCE_EGRESS_CERTIFICATE": str(folder / "tls" / f"{HOST}.pem"),
        "CONFORMANCE_HOST_PORT": str(host_port),
        "CONFORMANCE_RECORDS_PORT": str(records_port),
        "CONFORMANCE_RECORDS_TOKEN": TOKEN,
    }
    url = loop.run(front.start(0))
    try:
        yield {
            "http": {**told, "CONFORMANCE_RUNNER_URL": url},
            "lambda": {**told, "CONFORMANCE_RUNNER_URL": "lambda://runner"},
        }
    finally:
        loop.run(front.close())
        loop.run(api.close())
        loop.run(functions.close())


async def _started(functions: Functions, api: InvokeApi) -> str:
    functions.start()
    return await api.start()


def _file(folder: Path, name: str, keys: LocalKeys) -> str:
    """Return the path of a key, or of the trust bundle."""
    if name == "trust":
        (folder / "trust.json").write_text(keys.trust_bundle)
        return str(folder / "trust.json")
    path = folder / "keys" / f"{name}.pem"
    if not path.exists():
        write_private(path, getattr(keys, name).private_pem)
    return str(path)


def main(door: str) -> None:
    """Serve until interrupted; see the module."""
    loop = Loop()
    with tempfile.TemporaryDirectory(prefix="alga-conformance-") as work:
        folder = Path(work)
        folder.chmod(0o755)  # the database runs as an account of its own
        moto, postgres = start_moto(loop, folder), start_postgres(loop, folder)
        owner_url = make_database(postgres.url, "conformance")
        database = Database(owner_url, 60_000)
        migrate(database, MIGRATIONS, dict.fromkeys(ROLES, PASSWORD))
        database.close()
        try:
            with deployed(loop, folder, moto.url, owner_url) as environments:
                for name, value in environments[door].items():
                    print(f"export {name}={shlex.quote(value)}", flush=True)
                signal.sigwait({signal.SIGINT, signal.SIGTERM})
        finally:
            loop.run(postgres.stop())
            loop.run(moto.stop())
            loop.close()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    main(sys.argv[1] if len(sys.argv) > 1 else "http")
