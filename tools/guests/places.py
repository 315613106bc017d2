"""Paths of the build tools and of the results."""

import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
WIT: Final = ROOT / "wit"
WORLD: Final = "runner"
CACHE: Final = ROOT / ".build"

RUNTIME_PACKAGE: Final = ROOT / "web" / "extension-runtime"
RUNTIME_SOURCE: Final = RUNTIME_PACKAGE / "src"
FRAME_SDK_SOURCE: Final = ROOT / "web" / "extension-iframe-sdk" / "src"

NPM_LOCK: Final = ROOT / "package-lock.json"
NPM_TOOLS: Final = ROOT / "node_modules" / ".bin"
PYTHON_LOCK: Final = ROOT / "requirements" / "dev.txt"
PYTHON_TOOLS: Final = Path(sys.executable).parent
