"""The lines that are kept for a call's record: the beginning and the end, without secrets in any usual form."""

import time
from collections.abc import Callable
from typing import Any

import pytest

from alga_ext.calls.envelope import ExecuteGrants, SealedSecret
from alga_ext.calls.log_lines import LINES_LIMIT_BYTES, CallLog, unpack
from functions.runner.imports.call_secrets import SecretBox
from functions.runner.kept_lines import KeptLines, without_secrets
from functions.runner.sandbox.child.local_imports import TRUNCATED
from tests.support.runner_fixture import call
from tests.support.secret_forms import FORMS

HASH = "sha256:" + "0" * 64
VALUE = 'canary-"4F9b\\1c7d2e&'
HELD_BACK = "[withheld: the value of secret KEY in another form]"


class Unsealer:
    def unseal(self, sealed: bytes, context: Any) -> bytes:  # noqa: ARG002 - part of the port
        return VALUE.encode()


def secret_box() -> SecretBox:
    request = call(HASH, grants=ExecuteGrants(secrets={"KEY": []}))
    request.secret_envelope = [SealedSecret(name="KEY", sealed_b64="AA==", version=1)]
    return SecretBox(request, Unsealer(), lambda: 0.0, lambda: 5.0)


def use(box: SecretBox) -> None:
    held = box.find("KEY")
    assert held is not None
    box.value(held)


def used_box() -> SecretBox:
    box = secret_box()
    use(box)
    return box


def kept(*texts: str, box: SecretBox | None = None) -> CallLog:
    lines = KeptLines(box or secret_box(), time.monotonic_ns())
    for text in texts:
        lines.add("info", "guest", text, len(text.encode()))
    return unpack(lines.packed())


def test_a_call_without_lines_sends_nothing() -> None:
    assert KeptLines(used_box(), time.monotonic_ns()).packed() == ""


def test_a_line_says_when_it_came_after_the_call_began() -> None:
    lines = KeptLines(secret_box(), time.monotonic_ns() - 1_500_000_000)
    lines.add("warn", "stderr", "late", 4)
    (line,) = unpack(lines.packed()).first
    assert (line.level, line.source, line.text) == ("warn", "stderr", "late")
    assert line.at_ms >= 1_500


def test_a_level_or_source_that_no_sandbox_of_ours_sends_is_replaced() -> None:
    lines = KeptLines(secret_box(), time.monotonic_ns())
    lines.add("FATAL", "registry", "forged", 6)
    (line,) = unpack(lines.packed()).first
    assert (line.level, line.source) == ("info", "sandbox")


def test_of_too_much_text_the_beginning_and_the_end_are_kept() -> None:
    texts = [f"{number:04} ".ljust(8_192, "a") for number in range(1_000)]

    log = kept(*texts)

    assert log.count + log.dropped == 1_000
    assert LINES_LIMIT_BYTES - 2 * 8_192 <= log.text_bytes <= LINES_LIMIT_BYTES
    assert [line.text for line in log.first] == texts[: len(log.first)]
    assert [line.text for line in log.last] == texts[-len(log.last) :]
    assert len(log.first) == 8


def test_a_secret_is_removed_from_a_line_that_was_written_before_the_call_used_it() -> None:
    box = secret_box()
    lines = KeptLines(box, time.monotonic_ns())
    lines.add("info", "guest", f"I know {VALUE}", 30)
    use(box)

    assert [line.text for line in unpack(lines.packed()).first] == ["I know [secret KEY]"]


def test_the_beginning_of_a_secret_where_a_line_was_cut_is_removed() -> None:
    (line,) = kept("a" * 50 + VALUE[:9] + TRUNCATED, box=used_box()).first
    assert line.text == "a" * 50 + "[secret KEY]" + TRUNCATED


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_in_any_form_that_programs_write_is_not_kept(form: str) -> None:
    spelling = FORMS[form](VALUE).decode("utf-8", "replace")

    log = kept("before", f"key={spelling};", "after", box=used_box())

    texts = [line.text for line in log.first]
    assert (texts[0], texts[2]) == ("before", "after")
    assert texts[1] == HELD_BACK or "[secret KEY]" in texts[1]
    assert not any(VALUE[7:] in text or spelling in text for text in texts)


@pytest.mark.parametrize("encode", [FORMS["base64"], FORMS["hex"], str.encode], ids=["base64", "hex", "plain"])
def test_a_secret_across_two_lines_withholds_all(encode: Callable[[str], bytes]) -> None:
    spelling = encode(VALUE).decode()

    log = kept("before", spelling[:10], spelling[10:], box=used_box())

    assert [line.text for line in log.first] == [HELD_BACK] * 3


def test_text_with_longer_marks_than_secrets_stays_within_the_limit() -> None:
    log = kept(*[VALUE * 400] * 30, box=used_box())
    assert log.text_bytes <= LINES_LIMIT_BYTES


def test_texts_of_a_call_that_used_no_secret_are_as_they_are() -> None:
    assert without_secrets([f"I know {VALUE}"], secret_box()) == [f"I know {VALUE}"]
