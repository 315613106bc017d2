"""What `install` sends: grants and configuration from options."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from tools.cli.client import Client
from tools.cli.output import CommandError


def asked_for(registry: Client, extension: str, version: str | None) -> dict[str, Any]:
    """Grants for everything the manifest asks for: a developer's shortcut, where an admin would choose.

    Raises ApiError, and CommandError when the extension has no such version that is ready.
    """
    rows = registry.json("GET", f"/extensions/{extension}/versions")
    fitting = [row for row in rows if row["state"] == "ready" and version in {None, row["version"]}]
    if not fitting:
        raise CommandError(f"{extension} has no {version or 'version'} that is ready", "publish one first")
    return grants_of(fitting[0]["manifest"])


def grants_of(manifest: dict[str, Any]) -> dict[str, Any]:
    """The grants that a manifest, as the registry shows it, asks for."""
    return {
        "capabilities": [entry["name"] for entry in manifest.get("capabilities", [])],
        "egress": list(manifest.get("egress", [])),
        "secrets": {entry["name"]: entry.get("hosts", []) for entry in manifest.get("secrets", [])},
    }


def read_assignments(entries: Iterable[str], default: str | None = None) -> dict[str, str]:
    """`NAME=VALUE` options as a map; a bare NAME gets `default`, or is refused without one."""
    found = {}
    for entry in entries:
        name, equals, value = entry.partition("=")
        if not name or (not equals and default is None):
            raise CommandError(f"{entry!r} is not NAME=VALUE")
        found[name] = value if equals else default or ""
    return found


def read_config(entries: Iterable[str], file: Path | None) -> dict[str, Any]:
    """The install configuration: the file, overruled by `KEY=VALUE` options whose values are JSON or else text."""
    config: dict[str, Any] = {}
    if file is not None:
        try:
            config = json.loads(file.read_text(encoding="utf-8"))
        except ValueError as error:
            raise CommandError(f"{file} is not JSON: {error}") from None
        if not isinstance(config, dict):
            raise CommandError(f"{file} must hold a JSON object")
    for name, text in read_assignments(entries).items():
        try:
            config[name] = json.loads(text)
        except ValueError:
            config[name] = text
    return config
