"""What guests may do at run time that their engine alone does not offer: built from source, run in the sandbox."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from alga_ext.calls.envelope import ExecuteResponse
from alga_ext.calls.log_lines import unpack
from tests.support.runner_fixture import RunnerFixture, body_of, call, json_of
from tools.guests import build_component
from tools.guests.places import ROOT

PYTHON = """
import collections, datetime, json, sys, typing
from wit_world.imports.types import ExecuteResponse

def lazily():
    import beside
    from package import inside
    return beside.VALUE + inside.VALUE

WAYS = {
    "version": lambda: list(sys.version_info[:2]),
    "strptime": lambda: str(datetime.datetime.strptime("2026-01-02", "%Y-%m-%d")),
    "idna": lambda: "bücher.example".encode("idna").decode(),
    "utf-8-sig": lambda: json.loads(b"\\xef\\xbb\\xbf[1]"),
    "cp1252": lambda: b"\\x80".decode("cp1252"),
    "shift_jis": lambda: b"\\x82\\xa0".decode("shift_jis"),
    "utf-16": lambda: "a".encode("utf-16-le").hex(),
    "most_common": lambda: collections.Counter("aab").most_common(1),
    "lazily": lazily,
}

class WitWorld:
    def handler(self, request):
        found = {}
        for name, way in WAYS.items():
            try:
                found[name] = way()
            except Exception as error:
                found[name] = repr(error)
        return ExecuteResponse(200, [], json.dumps(found).encode())
"""
JAVASCRIPT = """
import { Router, json, log, metrics } from "@alga/extension-runtime";
console.log("dropped: a build is no call");
const NAMES = ["TextEncoder", "TextDecoder", "fetch", "setTimeout", "URL", "crypto", "structuredClone"];
export const handler = new Router()
  .get("/logs", () => {
    console.log("text", 1, { a: [true] }, null, undefined, 3n);
    console.warn("a warning");
    console.error(new TypeError("a defect"));
    log.info("half \\ud800 pair");
    console.log("\\udc00");
    return json({ environment: process.env.NODE_ENV });
  })
  .get("/globals", () => json(Object.fromEntries(NAMES.map((name) => [name, typeof globalThis[name]]))))
  .get("/promise", () => Promise.resolve(json(1)))
  .get("/half", () => json({ text: "\\ud800" }, { headers: { "x-ext-half": "\\ud800" } })).handler;
"""


@pytest.fixture(scope="module")
def runner(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunnerFixture]:
    made = RunnerFixture(tmp_path_factory.mktemp("built"))
    yield made
    made.close()


def logged(answer: ExecuteResponse, source: str) -> list[tuple[str, str]]:
    """Level and text of the guest's lines."""
    return [(line.level, line.text) for line in unpack(answer.logs_b64z).first if line.source == source]


def test_a_python_guest_has_every_encoding_and_what_functions_import(runner: RunnerFixture, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(PYTHON)
    (tmp_path / "beside.py").write_text("VALUE = 1")
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "__init__.py").write_text("")
    (tmp_path / "package" / "inside.py").write_text("VALUE = 2")
    answer = runner.execute(call(runner.publish(build_component(tmp_path).read_bytes())))
    assert answer.error is None
    assert json_of(answer) == {
        "version": [3, 14],
        "strptime": "2026-01-02 00:00:00",
        "idna": "xn--bcher-kva.example",
        "utf-8-sig": [1],
        "cp1252": "€",
        "shift_jis": "あ",
        "utf-16": "6100",
        "most_common": [["a", 2]],
        "lazily": 3,
    }


@pytest.fixture(scope="module")
def javascript(runner: RunnerFixture, tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("javascript")
    (folder / "index.js").write_text(JAVASCRIPT)
    return runner.publish(build_component(folder).read_bytes())


def test_a_javascript_guest_has_a_console_and_may_log_any_text(runner: RunnerFixture, javascript: str) -> None:
    answer = runner.execute(call(javascript, path="/logs"))
    lines = logged(answer, "guest")
    assert json_of(answer) == {"environment": "production"}
    assert lines[0] == ("info", 'text 1 {"a":[true]} null undefined 3')
    assert lines[1] == ("warn", "a warning")
    assert lines[2][0] == "error"
    assert lines[2][1].startswith("TypeError: a defect\n")
    assert lines[3:] == [("info", "half \N{REPLACEMENT CHARACTER} pair"), ("info", "\N{REPLACEMENT CHARACTER}")]


def test_the_default_engine_has_what_the_page_about_building_says(runner: RunnerFixture, javascript: str) -> None:
    page = (ROOT / "docs/reference/building.md").read_text()
    present = re.search(r"^\| (.*) \| UTF-8 only", page, re.MULTILINE)
    absent = re.search(r"^\| (.*) \| no \| yes; the engine's own", page, re.MULTILINE)
    assert present is not None
    assert absent is not None

    answer = runner.execute(call(javascript, path="/globals"))

    kinds = dict.fromkeys(re.findall(r"`(\w+)`", present.group(1)), "function")
    assert json_of(answer) == kinds | dict.fromkeys(re.findall(r"`(\w+)`", absent.group(1)), "undefined")
    assert "The component contains CPython 3.14," in page


def test_a_promise_is_refused_by_name(runner: RunnerFixture, javascript: str) -> None:
    answer = runner.execute(call(javascript, path="/promise"))
    assert answer.error is not None
    assert answer.error.code == "guest_trapped"
    assert any("cannot wait for promises" in text for _, text in logged(answer, "stderr"))


def test_half_a_surrogate_pair_in_an_answer_is_an_error_of_the_answer_not_a_trap(
    runner: RunnerFixture, javascript: str
) -> None:
    answer = runner.execute(call(javascript, path="/half"))
    assert answer.error is not None
    assert answer.error.code == "guest_invalid_response"
    assert body_of(answer) == b""
