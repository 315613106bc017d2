"""The pages of docs/reference, for tests that compare them with the platform."""

import re
from typing import Final

from tests.support.places import ROOT

REFERENCE: Final = ROOT / "docs" / "reference"


def sections(name: str, level: str) -> dict[str, str]:
    """Return the sections of a page by their heading, which may stand in backticks."""
    parts = re.split(rf"^{level} `?([^\n`]+)`?\n", (REFERENCE / name).read_text(), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))
