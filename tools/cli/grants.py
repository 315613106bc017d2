"""Turn the options of `install` into grants and configuration."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from urllib.parse import quote

from tools.cli.client import Client
from tools.cli.output import CommandError


def asked_for(registry: Client, extension: str, version: str | None) -> dict[str, Any]:
    """Return grants for everything that a version asks for. For developers; an admin chooses the grants.

    Raises ApiError `extension_not_found`, `version_not_ready`.
    """
    query = f"?version={quote(version, safe='')}" if version else ""
    asked = registry.json("GET", f"/extensions/{quote(extension, safe='')}/permissions{query}")
    return {
        "capabilities": [entry["name"] for entry in asked["capabilities"]],
        "egress": asked["egress"],
        "secrets": {entry["name"]: entry["hosts"] for entry in asked["secrets"]},
        "secret_headers": {entry["name"]: entry["header"] for entry in asked["secrets"] if entry["hosts"]},
    }


def read_assignments(entries: Iterable[str], default: str | None = None) -> dict[str, str]:
    """Return `NAME=VALUE` options as a map. A NAME without `=` gets `default`, or is refused when there is none."""
    found = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not name or (not equals and default is None):
            raise CommandError(f"{entry!r} is not of the form NAME=VALUE")
        found[name] = value if equals else default or ""
    return found


def read_config(entries: Iterable[str], file: Path | None) -> dict[str, Any]:
    """Return the configuration: the file, overridden by `KEY=VALUE` options whose values are JSON or else text."""
    config: dict[str, Any] = {}
    if file is not None:
        try:
            config = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise CommandError(f"{file} is not JSON: {error}") from None
        if not isinstance(config, dict):
            raise CommandError(f"{file} must contain a JSON object")
    for name, text in read_assignments(entries).items():
        try:
            config[name] = json.loads(text)
        except ValueError:
            config[name] = text
    return config
