"""Any runner of the contract, reached over HTTP or by Lambda Invoke. README.md lists the environment variables."""

import base64
import json
import os
import shlex
import ssl
import subprocess
import tempfile
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import urllib3

from alga_ext.calls.envelope import EXECUTE_PATH
from alga_ext.settings import Settings, read_material
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import KmsDataKeys, LambdaFunction
from alga_ext.trust.signing import LocalSigner
from tests.conformance.installs import Installs
from tests.conformance.outside import Outside
from tests.conformance.port import Answer, RunnerPort
from tests.conformance.surroundings import Surroundings
from tests.conformance.vault import Vault
from tests.support.fake_application import FakeApplication
from tests.support.tls import Authority

RUNNER_URL: Final = "CONFORMANCE_RUNNER_URL"
TIMEOUT_S: Final = 60.0
PUBLISH_TIMEOUT_S: Final = 300


class RemoteSettings(Settings, frozen=True, kw_only=True):
    """The variables; what is empty is not there, and the cases that need it are skipped."""

    conformance_runner_url: str
    conformance_token_key: str
    conformance_publish: str
    conformance_database_url: str = ""
    conformance_secrets_key_id: str = ""
    conformance_listen: str = "127.0.0.1"
    conformance_egress_host: str = ""
    conformance_egress_certificate: str = ""
    conformance_host_port: int = 0
    conformance_records_port: int = 0
    conformance_records_token: str = ""


class RemoteRunner(RunnerPort):
    """A runner at a URL.

    Args:
        url: ``http(s)://…``, its base, or ``lambda://function-name``.
        gateway_key: signs execution tokens.
        publish_command: see README.md.
    """

    def __init__(self, url: str, gateway_key: LocalSigner, publish_command: str) -> None:
        super().__init__(gateway_key)
        parts = urlsplit(url)
        assert parts.scheme in ("http", "https", "lambda"), url
        self._url = url.rstrip("/") + EXECUTE_PATH
        self._pool = urllib3.PoolManager(retries=False, timeout=TIMEOUT_S)
        self._function = LambdaFunction(parts.netloc, AwsApi(os.environ)) if parts.scheme == "lambda" else None
        self._publish = shlex.split(publish_command)

    def close(self) -> None:
        """Close its connections."""
        self._pool.clear()

    def publish(self, component: bytes) -> str:
        """See ``Runner.publish``."""
        with tempfile.NamedTemporaryFile(suffix=".wasm") as file:
            file.write(component)
            file.flush()
            command = [*self._publish, file.name]
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=PUBLISH_TIMEOUT_S)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip().splitlines()[-1]

    def post(self, body: bytes, token: str, tenant_id: str) -> Answer:
        """See ``Runner.post``."""
        headers = {"content-type": "application/json"}
        if token:
            headers["authorization"] = f"Bearer {token}"
        if self._function is not None:
            return self._invoked(self._function, body, headers, tenant_id)
        answer = self._pool.request("POST", self._url, body=body, headers=headers)
        return Answer(answer.status, answer.headers.get("content-type", ""), answer.data)

    @staticmethod
    def _invoked(function: LambdaFunction, body: bytes, headers: Mapping[str, str], tenant_id: str) -> Answer:
        try:
            sent, is_base64 = body.decode(), False
        except UnicodeDecodeError:
            sent, is_base64 = base64.b64encode(body).decode(), True
        event = {
            "version": "2.0",
            "rawPath": EXECUTE_PATH,
            "rawQueryString": "",
            "headers": headers,
            "requestContext": {"http": {"method": "POST", "path": EXECUTE_PATH}, "requestId": str(uuid.uuid4())},
            "body": sent,
            "isBase64Encoded": is_base64,
        }
        answer: dict[str, Any] = json.loads(function.invoke(json.dumps(event).encode(), tenant_id, TIMEOUT_S))
        text = answer.get("body") or ""
        data = base64.b64decode(text, validate=True) if answer.get("isBase64Encoded") else text.encode()
        headers = {name.lower(): value for name, value in answer.get("headers", {}).items()}
        return Answer(int(answer["statusCode"]), headers.get("content-type", ""), data)


@contextmanager
def remote_surroundings(environment: Mapping[str, str]) -> Iterator[Surroundings]:
    """Give the runner that the environment names, with as much of its surroundings as it names."""
    given = RemoteSettings.read(environment)
    with ExitStack() as stack, tempfile.TemporaryDirectory() as folder:

        def opened(made: Any, close: Callable[[], None] | None = None) -> Any:
            stack.callback(close or made.close)
            return made

        def served(wanted: object, port: int = 0, tls: ssl.SSLContext | None = None) -> Outside | None:
            if not wanted:
                return None
            name = given.conformance_egress_host or given.conformance_listen
            return opened(Outside(name, given.conformance_listen, port, tls))  # type: ignore[no-any-return]

        egress, certificate = given.conformance_egress_host, given.conformance_egress_certificate
        unknown = Authority(Path(folder)).server_context(egress) if egress else None
        key = given.conformance_secrets_key_id
        signer = LocalSigner.from_pem(read_material(given.conformance_token_key))
        database = given.conformance_database_url
        yield Surroundings(
            runner=opened(RemoteRunner(given.conformance_runner_url, signer, given.conformance_publish)),
            installs=opened(Installs(database)) if database else None,
            vault=Vault(KmsDataKeys(key, AwsApi(os.environ))) if key else None,
            outside=served(egress),
            secure=served(egress and certificate, tls=_server_context(certificate) if certificate else None),
            stranger=served(egress, tls=unknown),
            host=served(given.conformance_host_port, given.conformance_host_port),
            records=opened(
                FakeApplication(
                    install=None,
                    address=given.conformance_listen,
                    port=given.conformance_records_port,
                    token=given.conformance_records_token,
                )
            )
            if given.conformance_records_port
            else None,
        )


def _server_context(path: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context
