"""The page about frames lists what the bridge and the SDK have: messages, failures, errors, tokens and limits."""

import json
import re

import pytest

from tests.support.places import ROOT

PAGE = (ROOT / "docs/reference/iframe.md").read_text()
WEB = ROOT / "web"
SCHEMA = json.loads((ROOT / "docs/reference/iframe-messages.schema.json").read_text())


def source(path: str) -> str:
    return (WEB / path).read_text()


def first_cells(heading: str, column: int = 0) -> set[str]:
    """Names in code style in one column of the tables between a heading and the next of its level."""
    section = re.split(r"^## ", PAGE.partition(f"## {heading}\n")[2], maxsplit=1, flags=re.MULTILINE)[0]
    lines = section.splitlines()
    rows = [
        line.strip("|").split("|")
        for line, after in zip(lines, [*lines[1:], ""], strict=True)
        if line.startswith("|") and not after.startswith("|---")  # the head of a table
    ]
    return {name for row in rows for name in re.findall(r"`([a-z0-9_-]+)`", row[column])}


@pytest.mark.parametrize("side", ["host", "frame"])
def test_every_message_is_listed(side: str) -> None:
    types = {message["properties"]["type"]["const"] for message in SCHEMA["$defs"][side]["anyOf"]}
    assert types <= first_cells("Messages")


def test_no_message_is_listed_that_does_not_exist() -> None:
    both = (*SCHEMA["$defs"]["host"]["anyOf"], *SCHEMA["$defs"]["frame"]["anyOf"])
    assert first_cells("Messages") == {message["properties"]["type"]["const"] for message in both}


@pytest.mark.parametrize("side", ["host", "frame"])
def test_the_members_of_every_message_are_listed(side: str) -> None:
    for message in SCHEMA["$defs"][side]["anyOf"]:
        name, payload = message["properties"]["type"]["const"], message["properties"]["payload"]
        row = re.search(rf"^\| `{name}` \|(.*)$", PAGE, re.MULTILINE)
        assert row is not None
        listed = {member: bool(mark) for member, mark in re.findall(r"`([a-z_]+)(\?)?[ `]", row[1])}
        expected = {member: member not in payload["required"] for member in payload.get("properties", {})}
        assert expected.items() <= listed.items(), name


def test_every_failure_is_listed() -> None:
    union = re.search(r"export type Failure =(.*?);", source("host-bridge/src/bootstrap-iframe.ts"), re.DOTALL)
    assert union is not None
    assert first_cells("States of a frame", 1) == set(re.findall(r'"(\w+)"', union[1]))


def test_every_refusal_of_the_bridge_is_listed() -> None:
    codes = set(re.findall(r'refusal\(\d+, "(\w+)"\)', source("host-bridge/src/parts/calls.ts")))
    prompts = source("host-bridge/src/parts/prompts.ts")
    codes |= {*re.findall(r'error: "(\w+)"', prompts), *re.findall(r'"(rate_limited|busy)"', prompts)}
    pairs = re.findall(r'isCall \? "(\w+)" : "(\w+)"', source("host-bridge/src/frame-link.ts"))
    codes |= {code for pair in pairs for code in pair}
    assert len(codes) == 8
    assert codes <= first_cells("Errors")


def test_every_file_of_the_bridge_is_listed() -> None:
    files = {path.stem for path in (WEB / "host-bridge" / "src" / "parts").iterdir()}
    assert set(re.findall(r"^\| `parts/([a-z-]+)\.js`", PAGE, re.MULTILINE)) == files


def test_the_closed_list_of_tokens_is_the_one_of_the_sdk() -> None:
    listed = re.search(
        r"THEME_TOKENS = \[(.*?)\]", source("extension-iframe-sdk/src/protocol/theme-tokens.ts"), re.DOTALL
    )
    assert listed is not None
    assert first_cells("Theme tokens") == set(re.findall(r'"([a-z-]+)"', listed[1]))


@pytest.mark.parametrize(
    ("file", "line", "words"),
    [
        ("frame-link.ts", "MESSAGES_A_SECOND = 200", "200 within a second"),
        ("frame-link.ts", "LOWEST_HEIGHT = 100", "100 to 4000 pixels"),
        ("frame-link.ts", "GREATEST_HEIGHT = 4000", "100 to 4000 pixels"),
        ("frame-link.ts", "OLD_AFTER_MS = 100", "within 0.1 s"),
        ("frame-link.ts", "UNDER_WAY_LIMIT = 16", "16 for each frame"),
        ("parts/calls.ts", "(4 * 1024 * 1024)", "| body of a call | 4 MiB |"),
        ("parts/calls.ts", "HEADERS_LIMIT = 32", "| 32, names"),
        ("parts/prompts.ts", "10 * 1024 * 1024", "| file | 10 MiB"),
        ("parts/prompts.ts", "QUESTIONS = 10", "10 a minute"),
        ("parts/prompts.ts", "NOTICES = 5", "5 in ten seconds"),
        ("parts/prompts.ts", "NOTICE_MS = 6_000", "goes after 6 s"),
        ("parts/prompts.ts", "UNCLICKABLE_MS = 500", "0.5 s after they appear"),
        ("bootstrap-iframe.ts", "SPEAK_WITHIN_MS = 1_500", "within 1.5 s"),
        ("heartbeat.ts", "EVERY_MS = 5_000", "three pings of 5 s"),
        ("heartbeat.ts", "UNANSWERED_LIMIT = 3", "three pings of 5 s"),
    ],
)
def test_limits_are_the_ones_of_the_code(file: str, line: str, words: str) -> None:
    assert line in source(f"host-bridge/src/{file}")
    assert words in PAGE
