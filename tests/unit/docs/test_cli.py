"""docs/reference/cli.md has a section for each command of `alga-ext`, with its arguments and options, and no other."""

import re
from typing import Any

import pytest
import typer.main

from tests.support.places import ROOT
from tools.cli.main import app

PAGE = ROOT / "docs" / "reference" / "cli.md"
OPTION = re.compile(r"`(--?[A-Za-z][a-z-]*)`")


def commands(group: Any, path: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            found |= commands(command, f"{path}{name} ")
        else:
            found[f"{path}{name}"] = command
    return found


def sections() -> dict[str, str]:
    parts = re.split(r"^### `alga-ext (.+)`$", PAGE.read_text(), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], (re.split(r"^## ", text, flags=re.MULTILINE)[0] for text in parts[1::2]), strict=True))


def heading(name: str, command: Any) -> str:
    arguments = [p for p in command.params if p.param_type_name == "argument"]
    return " ".join([name, *(a.name.upper() if a.required else f"[{a.name.upper()}]" for a in arguments)])


COMMANDS = commands(typer.main.get_group(app))


def test_every_command_has_its_section() -> None:
    assert set(sections()) == {heading(name, command) for name, command in COMMANDS.items()}


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_a_section_names_every_option_and_no_other(name: str) -> None:
    command = COMMANDS[name]
    text = sections()[heading(name, command)]
    rows = "\n".join(line for line in text.splitlines() if line.startswith("| `") or "Options:" in line)
    named = {o for line in rows.splitlines() for o in OPTION.findall(line.split("|")[1] if "|" in line else line)}
    options = {o for p in command.params if p.param_type_name == "option" for o in [*p.opts, *p.secondary_opts]}

    assert named == options - {"--help"}
