"""The evaluation worker: a process of its own that holds nothing, and that a costly request ends."""

import json
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alga_ext.errors import PlatformError
from functions.registry.evaluation import evaluator as evaluating
from functions.registry.evaluation import messages, worker
from functions.registry.evaluation.evaluator import Evaluator
from functions.registry.evaluation.messages import (
    CheckConfig,
    CheckSchema,
    Compress,
    Compressed,
    Ready,
    Request,
    Verdict,
    Verdicts,
)
from tests.support.refusals import code_of

SCHEMA: dict[str, Any] = {"properties": {"a": {"type": "string", "maxLength": 3}}}


@pytest.fixture
def evaluator() -> Iterator[Evaluator]:
    made = Evaluator(lambda: False)
    yield made
    made.close()


@pytest.fixture(scope="module")
def confined() -> Iterator[Evaluator]:
    made = Evaluator(lambda: False)
    yield made
    made.close()


def process_of(evaluator: Evaluator) -> int:
    assert evaluator._process is not None
    return evaluator._process.pid


def test_schemas_configurations_and_files_are_evaluated_in_one_worker(evaluator: Evaluator) -> None:
    evaluator.check_schema(SCHEMA)
    first = process_of(evaluator)

    assert code_of(lambda: evaluator.check_schema({"type": "objekt"})) == "manifest_invalid"
    assert evaluator.first_fault(SCHEMA, {"a": "abc", "n": 2**70}) is None
    assert "at a: 'abcd' is too long" in str(evaluator.first_fault(SCHEMA, {"a": "abcd"}))
    brotli, gzip = evaluator.compress(b"a" * 10_000, 9, 6, 10) or (b"", b"")
    assert 0 < len(brotli) < 100 > len(gzip) > 0
    assert process_of(evaluator) == first


def test_the_worker_has_no_environment_but_the_loaders_and_limited_resources(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "a secret")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/nowhere")
    evaluator.check_schema({})

    process = Path(f"/proc/{process_of(evaluator)}")
    limits = {line[:25].strip(): line[25:].split()[:2] for line in (process / "limits").read_text().splitlines()}
    assert process.joinpath("environ").read_bytes() == b"LD_LIBRARY_PATH=/nowhere\0"
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max core file size"] == ["0", "0"]
    assert limits["Max open files"] == ["64", "64"]
    assert limits["Max data size"] == [str(512 * 1024 * 1024)] * 2
    assert 0 < int(limits["Max cpu time"][0]) <= 60
    links = [str(link.readlink()) for link in process.joinpath("fd").iterdir()]
    assert sorted(link.split(":")[0] for link in links) == ["/dev/null"] * 3 + ["socket"]


def test_a_request_past_its_budget_is_refused_and_ends_the_worker() -> None:
    evaluator = Evaluator(lambda: False, budget_s=0)

    with pytest.raises(PlatformError, match="checking it takes more than 0 s") as refused:
        evaluator.check_schema({})
    assert refused.value.code == "manifest_invalid"
    assert evaluator._process is None
    assert evaluator.first_fault({}, {}) == "at config: checking it takes more than 0 s; shorten it"
    assert evaluator.compress(b"a", 9, 6, 10) is None
    assert evaluator._process is None


def test_after_a_worker_died_the_next_request_has_another(evaluator: Evaluator) -> None:
    evaluator.check_schema({})
    first = process_of(evaluator)
    os.kill(first, signal.SIGKILL)
    assert evaluator._process is not None
    evaluator._process.wait()

    evaluator.check_schema({})

    assert process_of(evaluator) != first


def test_nothing_is_evaluated_inside_a_transaction() -> None:
    evaluator = Evaluator(lambda: True)

    for evaluation in (
        lambda: evaluator.check_schema({}),
        lambda: evaluator.first_fault({}, {}),
        lambda: evaluator.compress(b"", 1, 1, 1),
    ):
        with pytest.raises(RuntimeError, match="inside a transaction"):
            evaluation()
    assert evaluator._process is None


def test_a_worker_that_cannot_start_refuses_as_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluator = Evaluator(lambda: False)
    for bootstrap in ("raise SystemExit(1)", "import os, sys; os.write(int(sys.argv[-1]), b'\\x01\\0\\0\\0\\xc0')"):
        monkeypatch.setattr(evaluating, "_BOOTSTRAP", bootstrap)

        assert code_of(lambda: evaluator.check_schema({})) == "policy_unavailable"
        assert evaluator._process is None


@pytest.mark.parametrize(
    "reply",
    [
        b"",
        b"\xff\xff\xff\xff",
        b"\x01\0\0\0\xc1",
        b"\x05\0\0\0abc",
        *(
            len(payload).to_bytes(4, "little") + payload
            for payload in map(
                msgspec.msgpack.encode,
                [
                    Compressed(b"", b""),
                    Ready(),
                    {"type": "Verdict"},
                    {"type": "Verdict", "fault": 5},
                    {"type": "Other", "fault": None},
                    [],
                    5,
                ],
            )
        ),
    ],
)
def test_an_answer_of_any_other_form_is_a_refusal_and_ends_the_worker(evaluator: Evaluator, reply: bytes) -> None:
    evaluator.check_schema({})
    ours, theirs = socket.socketpair()
    assert evaluator._connection is not None
    evaluator._connection.close()
    evaluator._connection = ours
    theirs.sendall(reply)
    theirs.shutdown(socket.SHUT_WR)

    with theirs:
        assert code_of(lambda: evaluator.check_schema({})) == "manifest_invalid"
    assert evaluator._process is None


def test_a_long_detail_of_the_worker_is_cut(evaluator: Evaluator) -> None:
    evaluator.check_schema({})
    ours, theirs = socket.socketpair()
    assert evaluator._connection is not None
    evaluator._connection.close()
    evaluator._connection = ours
    messages.send(theirs, Verdict("x" * 5_000))

    with theirs, pytest.raises(PlatformError) as refused:
        evaluator.check_schema({})
    assert len(refused.value.detail) == 1_000


def test_requests_of_several_threads_get_their_own_answers(evaluator: Evaluator) -> None:
    found: dict[int, str | None] = {}

    def ask(length: int) -> None:
        schema = {"properties": {"a": {"const": length}}}
        found[length] = evaluator.first_fault(schema, {"a": 0})

    threads = [threading.Thread(target=ask, args=(length,)) for length in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {length: f"at a: {length} was expected" for length in range(1, 9)}


# What the worker does with a request, in this process


def test_a_request_that_nests_too_deep_for_the_interpreter_is_refused() -> None:
    deep = b'{"not":' * 2_000 + b"{}" + b"}" * 2_000

    assert worker.answer(CheckSchema(deep)) == Verdict("manifest.json: config: it is nested too deeply.")
    assert worker.answer(CheckConfig(b"{}", deep)) == Verdict("at config: it is nested too deeply")


def test_a_message_over_the_frame_limit_is_not_sent() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(ValueError, match="at most"):
        messages.send(ours, Compress(bytes(messages.FRAME_LIMIT_BYTES), 1, 1))


KEYWORDS: tuple[dict[str, Any], ...] = (
    {"type": ["string", "null"]},
    {"enum": [1, "a", None]},
    {"const": {"a": 1}},
    {"minLength": 2, "maxLength": 3},
    {"pattern": "^[a-z]{2,3}$"},
    {"minimum": 1, "maximum": 2.5},
    {"exclusiveMinimum": 0, "exclusiveMaximum": 3, "multipleOf": 0.1},
    {"minItems": 1, "maxItems": 2, "uniqueItems": True},
    {"items": {"type": "integer"}},
    {"prefixItems": [{"type": "string"}], "items": False},
    {"contains": {"const": 1}, "minContains": 1, "maxContains": 2},
    {"minProperties": 1, "maxProperties": 1},
    {"required": ["a"], "properties": {"a": {"type": "integer"}}, "additionalProperties": False},
    {"patternProperties": {"^a": {"type": "integer"}}, "propertyNames": {"maxLength": 1}},
    {"dependentRequired": {"a": ["b"]}, "dependentSchemas": {"a": {"required": ["b"]}}},
    {"allOf": [{"type": "integer"}, {"minimum": 2}]},
    {"anyOf": [{"type": "integer"}, {"minLength": 3}]},
    {"oneOf": [{"type": "number"}, {"type": "integer"}]},
    {"not": {"type": "string"}},
    {"if": {"type": "string"}, "then": {"minLength": 4}, "else": {"type": "integer"}},
    {"$ref": "#/$defs/short"},
    {"contentEncoding": "base64", "contentMediaType": "application/json"},
    *(
        {"format": name}
        for name in (
            "date", "date-time", "time", "duration", "email", "idn-email", "hostname", "idn-hostname", "ipv4", "ipv6",
            "uri", "uri-reference", "iri", "uri-template", "uuid", "json-pointer", "relative-json-pointer", "regex",
        )
    ),
    {"type": "objekt"},
    {"pattern": "(a"},
    {"pattern": "(a*)*b"},
    {"unevaluatedProperties": False},
    {"unknownKeyword": 1},
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, 1, 2.5, 10**400, "a", "abc", "ä\ud800", "2026-02-29", "::1", "münchen.example", [1, 1],
    {"a": 1}, {"b": "x"},
)  # fmt: skip


@pytest.mark.parametrize("keyword", KEYWORDS, ids=json.dumps)
def test_a_confined_worker_answers_as_an_unconfined_process_does(confined: Evaluator, keyword: dict[str, Any]) -> None:
    schema = json.dumps({"properties": {"value": keyword}, "$defs": {"short": {"maxLength": 1}}}).encode()
    requests: list[Request] = [CheckSchema(schema)]
    requests += (CheckConfig(schema, json.dumps({"value": value}).encode()) for value in VALUES)

    for request in requests:
        try:
            expected = worker.answer(request)
        except Exception:  # noqa: BLE001 - the worker ends with the same error
            with pytest.raises(evaluating._EndedError):
                confined._ask(request, Verdict, 60)
        else:
            assert confined._ask(request, Verdict, 60) == expected


@pytest.mark.parametrize(
    "data", [b"", b"a", b"text of a page\n" * 5_000, os.urandom(70_000)], ids=["0", "1", "text", "noise"]
)
@pytest.mark.parametrize(("brotli_quality", "gzip_level"), [(0, 0), (5, 6), (9, 6), (11, 9)])
def test_a_confined_worker_compresses_as_an_unconfined_process_does(
    confined: Evaluator, data: bytes, brotli_quality: int, gzip_level: int
) -> None:
    request = Compress(data, brotli_quality, gzip_level)

    assert confined._ask(request, Compressed, 60) == worker.answer(request)


def test_a_worker_over_its_cpu_time_is_ended_by_the_kernel(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluating, "_CPU_S", 0)
    evaluator._budget_s = 600
    evaluator.check_schema({})
    process = evaluator._process
    assert process is not None

    assert evaluator.compress(os.urandom(messages.FRAME_LIMIT_BYTES - 1_000), 11, 9, 600) is None
    assert process.returncode == -signal.SIGXCPU


def test_data_is_checked_against_the_schema_beside_it_in_one_run(evaluator: Evaluator) -> None:
    text, number = {"type": "string"}, {"type": "number", "maximum": 2**70}

    faults = evaluator.data_faults([(text, "ü"), (number, "x"), (text, 1), (number, 2**65), (text, None)])

    assert [fault is None for fault in faults] == [True, False, False, True, False]
    assert faults[1] is not None
    assert faults[1].startswith("at data: 'x' is not of type")


def test_a_check_of_data_that_exceeds_its_budget_says_nothing_about_the_data() -> None:
    impatient = Evaluator(lambda: False, budget_s=0)

    assert code_of(lambda: impatient.data_faults([({}, 1), ({}, 2)])) == "policy_unavailable"
    impatient.close()


def test_a_worker_that_is_killed_says_nothing_about_the_data(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    evaluator.check_schema({})
    send = messages.send

    def killed_then_sent(connection: socket.socket, message: Request, until_s: float | None = None) -> None:
        os.kill(process_of(evaluator), signal.SIGKILL)
        send(connection, message, until_s)

    with monkeypatch.context() as patched:
        patched.setattr(messages, "send", killed_then_sent)
        assert code_of(lambda: evaluator.data_faults([({}, 1)])) == "policy_unavailable"

    assert evaluator.data_faults([({}, 1)]) == [None]


def test_data_that_is_too_long_for_one_request_to_the_worker_is_at_fault(evaluator: Evaluator) -> None:
    text = "x" * (messages.FRAME_LIMIT_BYTES // 2)

    faults = evaluator.data_faults([({}, text), ({}, text)])

    assert len(faults) == 2
    assert all("send fewer" in str(fault) for fault in faults)


def test_data_that_takes_too_many_steps_is_at_fault_alone(evaluator: Evaluator) -> None:
    costly = {"items": {"anyOf": [{"const": number} for number in range(500)]}}

    cheap, dear, after = evaluator.data_faults([(costly, [1]), (costly, ["x"] * 5_000), (costly, [2])])

    assert (cheap, after) == (None, None)
    assert dear is not None
    assert "shorten it" in dear


def test_an_answer_about_fewer_events_says_nothing_about_them(
    evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evaluator, "_ask", lambda *_: Verdicts([]))

    assert code_of(lambda: evaluator.data_faults([({}, 1)])) == "policy_unavailable"
