"""The runner of this repository in this process, wired by its own settings, as the suite's default."""

import contextlib
import hashlib
import io
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from alga_ext.calls.envelope import decode_response
from alga_ext.calls.log_lines import CallLog, unpack
from alga_ext.calls.messages import Artifact
from alga_ext.settings import read_material
from alga_ext.stores import object_keys
from alga_ext.stores.sealing import Sealer
from alga_ext.trust.signing import LocalSigner, sign_envelope
from alga_ext.trust.statements import ArtifactRecord, statement
from functions.runner.imports.broker import Provider
from functions.runner.limits import Maxima
from functions.runner.services import _database_of, _providers
from functions.runner.settings import RunnerSettings
from tests.conformance.port import Answer, Line, RunnerPort, Said
from tests.support.bodies import body_of_answer
from tests.support.runner_fixture import SETTINGS, RunnerFixture
from tools.guests.cache import built
from tools.guests.inputs import hash_of
from tools.guests.places import ROOT

MIB = 1024 * 1024
MAXIMA = Maxima(
    default_timeout_ms=5_000,
    timeout_ms=29_000,
    default_memory_mb=128,
    memory_mb=256,
    fuel=1_000_000_000_000,
    response_bytes=4 * MIB,
)
"""The platform's own."""

_SMALL_BYTES = MIB
_SANDBOX = ROOT / "functions" / "runner" / "sandbox"
_COMPILER_MODULES = (
    "compiler/main", "compiler/packing", "compiler/typecheck", "protocol/engine", "protocol/shapes", "protocol/world",
)  # fmt: skip


@contextlib.contextmanager
def providers_from(environment: Mapping[str, str]) -> Iterator[Mapping[str, Provider]]:
    """Give who serves the host imports of a runner with this environment, as its own services have it."""
    settings = RunnerSettings.read({**SETTINGS, **environment})
    key = settings.ui_proxy_signing_key.get_secret_value()
    signer = LocalSigner.from_pem(read_material(key)) if key else None
    with contextlib.ExitStack() as connections:
        yield _providers(settings, _database_of(settings, connections), signer)


class LocalRunner(RunnerPort):
    """See the module.

    Args:
        folder: for its artifacts.
        providers: see ``providers_from``.
        unsealer: opens secrets.
    """

    def __init__(
        self, folder: Path, providers: Mapping[str, Provider] | None = None, unsealer: Sealer | None = None
    ) -> None:
        self.house = RunnerFixture(folder, providers, MAXIMA, unsealer=unsealer)
        super().__init__(self.house.gateway_key)
        self._lines: dict[str, list[Line]] = {}
        self._metrics: dict[str, dict[str, float]] = {}

    def close(self) -> None:
        """End its processes."""
        self.house.close()

    def publish(self, component: bytes) -> str:
        """See ``Runner.publish``; large components are compiled once and kept over sessions."""
        if len(component) > _SMALL_BYTES:
            self._restore(component)
        return self.house.publish(component)

    def post(self, body: bytes, token: str, tenant_id: str) -> Answer:  # noqa: ARG002 - the token names the tenant
        """See ``Runner.post``."""
        headers = {"authorization": f"Bearer {token}"} if token else {}
        with contextlib.redirect_stdout(io.StringIO()):
            answer = self.house.post("/v1/execute", body, headers)
        answered = body_of_answer(answer)
        if answer["statusCode"] == 200:
            response = decode_response(answered)
            request_id = json.loads(body)["context"]["request_id"]
            found = {total.name: total.sum for total in response.metrics}
            self._metrics.setdefault(request_id, {}).update(found)
            log = unpack(response.logs_b64z) if response.logs_b64z else CallLog()
            lines = (Line(line.level, line.source, line.text) for line in (*log.first, *log.last))
            self._lines.setdefault(request_id, []).extend(lines)
        return Answer(answer["statusCode"], answer["headers"]["content-type"], answered)

    def said(self, request_id: str) -> Said:
        """See ``Runner.said``."""
        return Said(self._lines.get(request_id, []), self._metrics.get(request_id, {}))

    def _restore(self, component: bytes) -> None:
        """Put native code compiled in an earlier session into the store, signed with this session's key."""
        engine, sha256 = self.house.engine, hashlib.sha256(component).hexdigest()
        key = hash_of([sha256, *engine], [(_SANDBOX, [_SANDBOX / f"{name}.py" for name in _COMPILER_MODULES])])

        def compile_into(work: Path) -> None:
            prepared = self.house.prepared(component)
            assert isinstance(prepared.artifact, Artifact), prepared.reasons
            (work / "code.cwasm").write_bytes(self.house.store.get(prepared.artifact.key))

        code = (built("compiled", key, compile_into) / "code.cwasm").read_bytes()
        record = ArtifactRecord(
            component_sha256=sha256,
            wasmtime_version=engine.wasmtime_version,
            engine_config_hash=engine.config_hash,
            target=engine.target,
        )
        code_sha256 = hashlib.sha256(code).hexdigest()
        place = object_keys.code(sha256, engine, code_sha256)
        signed = sign_envelope(self.house.artifact_key, statement(record, place, code_sha256))
        self.house.store.objects[place] = code
        self.house.store.objects[object_keys.artifact_record(sha256, engine, self.house.artifact_key.key_id)] = signed
