"""The local platform's state folder, and the file that tells other programs its addresses."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.local.keys import write_private

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".local"


def run_folder(state: Path) -> Path:
    """Return the folder that exists as long as the platform runs."""
    return state / "run"


def write_state(state: Path, document: Mapping[str, Any]) -> None:
    """Write the platform's addresses; only the owner may read them, because one has the database's password."""
    write_private(run_folder(state) / "platform.json", json.dumps({"pid": os.getpid(), **document}, indent=1))


def read_state(state: Path = STATE) -> dict[str, Any] | None:
    """Return the addresses of the platform that runs with a state folder; None when none is running."""
    try:
        document = json.loads((run_folder(state) / "platform.json").read_text(encoding="utf-8"))
        os.kill(document["pid"], 0)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return dict(document)
