"""What functions of different versions send each other, byte for byte: a changed form breaks a deployment halfway."""

from typing import Annotated, Any

import msgspec
import pytest
from pydantic import Field, TypeAdapter, ValidationError

from alga_ext.calls import connection_headers, envelope, metrics
from alga_ext.calls.envelope import (
    DeclaredMetric,
    ExecuteContext,
    ExecuteGrants,
    ExecuteHttp,
    ExecuteLimits,
    ExecuteRequest,
    ExecuteResponse,
    ExecuteUser,
    SealedSecret,
    Usage,
)
from alga_ext.calls.messages import ExecutionAccepted, ExecutionFinished, PreparedMessage, PrepareMessage

CONTEXT = ExecuteContext(
    request_id="r", tenant_id="t", extension_id="e", install_id="i", version_id="v", content_hash="h"
)
CONTEXT_JSON = (
    b'{"request_id":"r","tenant_id":"t","extension_id":"e","install_id":"i","version_id":"v","content_hash":"h"}'
)
CALL: dict[str, Any] = {
    "execution_id": "x", "tenant_id": "t", "install_id": "i", "extension_id": "e", "version_id": "v",
    "content_hash": "h", "request_id": "r", "trace_id": "c", "method": "GET", "path": "/", "principal": "p",
}  # fmt: skip
CALL_JSON = (
    b'"execution_id":"x","tenant_id":"t","install_id":"i","extension_id":"e","version_id":"v",'
    b'"content_hash":"h","request_id":"r","trace_id":"c","method":"GET","path":"/","principal":"p"'
)
USAGE_JSON = (
    b'{"duration_ms":0.0,"cpu_ms":0.0,"memory_peak_bytes":0,"fuel":null,"egress_bytes":0,"host_calls":{},"log_bytes":0}'
)

FORMS: list[tuple[msgspec.Struct, bytes]] = [
    (CONTEXT, CONTEXT_JSON),
    (ExecuteHttp(method="GET", path="/"), b'{"method":"GET","path":"/"}'),
    (ExecuteLimits(), b"{}"),
    (ExecuteLimits(memory_mb=1), b'{"memory_mb":1}'),
    (ExecuteGrants(), b"{}"),
    (ExecuteGrants(hash="g"), b'{"hash":"g"}'),
    (ExecuteUser(user_id="u"), b'{"user_id":"u"}'),
    (ExecuteUser(user_id="u", user_type="client"), b'{"user_id":"u","user_type":"client"}'),
    (SealedSecret(name="n", sealed_b64="s", version=1), b'{"name":"n","sealed_b64":"s","version":1}'),
    (DeclaredMetric(name="m"), b'{"name":"m"}'),
    (
        ExecuteRequest(context=CONTEXT, http=ExecuteHttp(method="GET", path="/")),
        b'{"context":' + CONTEXT_JSON + b',"http":{"method":"GET","path":"/"},"limits":{},"grants":{}}',
    ),
    (ExecuteResponse(status=200), b'{"status":200,"usage":' + USAGE_JSON + b"}"),
    (Usage(), USAGE_JSON),
    (PrepareMessage(version_id="v", content_hash="h"), b'{"type":"prepare","version_id":"v","content_hash":"h"}'),
    (
        PreparedMessage(version_id="v", content_hash="h", ok=True),
        b'{"type":"prepared","version_id":"v","content_hash":"h","ok":true}',
    ),
    (ExecutionAccepted(at="1", **CALL), b'{"type":"execution.accepted",' + CALL_JSON + b',"at":"1"}'),
    (
        ExecutionFinished(accepted_at="0", at="1", status=200, **CALL),
        b'{"type":"execution.finished",'
        + CALL_JSON
        + b',"accepted_at":"0","at":"1","status":200,"usage":'
        + USAGE_JSON
        + b"}",
    ),
]


@pytest.mark.parametrize(("document", "form"), FORMS, ids=[type(document).__name__ for document, _ in FORMS])
def test_a_document_has_one_form_without_its_defaults(document: msgspec.Struct, form: bytes) -> None:
    assert msgspec.json.encode(document) == form


@pytest.mark.parametrize(("document", "form"), FORMS, ids=[type(document).__name__ for document, _ in FORMS])
def test_a_form_reads_back_as_its_document(document: msgspec.Struct, form: bytes) -> None:
    assert msgspec.json.decode(form, type=type(document)) == document


def test_the_defaults_of_an_envelope_are_these() -> None:
    assert ExecuteUser(user_id="u").user_type == "internal"
    assert DeclaredMetric(name="m").unit == "None"
    assert ExecutionFinished(accepted_at="0", at="1", status=200, **CALL).response_bytes == 0


def test_the_runner_is_called_under_this_path_with_a_configuration_of_64_kib() -> None:
    assert (envelope.EXECUTE_PATH, envelope.CONFIG_LIMIT_BYTES) == ("/v1/execute", 65_536)


def test_these_headers_belong_to_a_connection() -> None:
    assert sorted(connection_headers.CONNECTION_HEADERS) == [
        "connection", "content-length", "expect", "host", "keep-alive", "proxy-authenticate", "proxy-authorization",
        "proxy-connection", "te", "trailer", "trailers", "transfer-encoding", "upgrade",
    ]  # fmt: skip


def test_these_are_the_units_of_metrics() -> None:
    assert sorted(metrics.UNITS) == [
        "Bits", "Bytes", "Bytes/Second", "Count", "Count/Second", "Gigabytes", "Kilobytes", "Megabytes", "Microseconds",
        "Milliseconds", "None", "Percent", "Seconds",
    ]  # fmt: skip
    assert metrics.DECLARED_LIMIT == 20


@pytest.mark.parametrize(
    ("name", "is_taken"),
    [("a", True), ("A1_.-", True), ("a" * 64, True), ("a" * 65, False), ("1a", False), ("_a", False), ("a\n", False),
     ("a b", False), ("xa/", False), ("", False)],
)  # fmt: skip
def test_a_name_of_a_metric_is_one_to_64_letters_digits_and_signs(name: str, is_taken: bool) -> None:
    model = TypeAdapter(Annotated[str, Field(pattern=metrics.NAME_PATTERN)])
    if is_taken:
        assert model.validate_python(name) == name
    else:
        with pytest.raises(ValidationError):
            model.validate_python(name)
