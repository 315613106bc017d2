"""Where the local platform keeps its state, and what it says of itself to other programs of the checkout."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tools.local.keys import write_private

ROOT = Path(__file__).resolve().parents[2]
STATE = ROOT / ".local"


def run_folder(state: Path) -> Path:
    """What lives as long as the platform runs."""
    return state / "run"


def write_state(state: Path, document: Mapping[str, Any]) -> None:
    """Say where the platform is; readable by its owner alone, since addresses hold the database's password."""
    write_private(run_folder(state) / "platform.json", json.dumps({"pid": os.getpid(), **document}, indent=1))


def read_state(state: Path = STATE) -> dict[str, Any] | None:
    """What the running platform of a state folder says of itself; None when none is running."""
    try:
        document = json.loads((run_folder(state) / "platform.json").read_text(encoding="utf-8"))
        os.kill(document["pid"], 0)
    except (FileNotFoundError, ProcessLookupError):
        return None
    return dict(document)
