"""The texts that each pattern of a manifest takes, in the engine that reads manifests."""

from typing import Annotated

import pytest
from pydantic import Field, TypeAdapter, ValidationError

from alga_ext.bundles.manifest_patterns import DOCUMENT, HOOK_NAME, NAME, SECRET_NAME, SEMVER, SLUG, TOPIC

TAKEN: dict[str, list[str]] = {
    SEMVER: ["0.0.0", "1.2.3-beta.1+build.5"],
    NAME: ["a.b", "a." + "b" * 63, "xn--a.b-c.d9"],
    SLUG: ["a", "0", "-", "a-9", "a" * 63],
    SECRET_NAME: ["K", "a", "Key_1.b-c", "k" * 64],
    TOPIC: ["t", "9", "A.b_c-d*", "t" * 128],
    HOOK_NAME: ["h", "appMenu", "h9", "h" * 64],
    DOCUMENT: ["ui/a.html", "a.htm", "a.xhtml", "a.XHTML", ".html"],
}
REFUSED: dict[str, list[str]] = {
    SEMVER: ["", "1.0", "01.0.0", "1.0.0 ", "v1.0.0", "1.0.0\n"],
    NAME: ["", "a", "a.", ".a", "A.b", "a.b\n", "a." + "b" * 64, " a.b"],
    SLUG: ["", "A", "a.b", "a_b", " a", "a\n", "a" * 64],
    SECRET_NAME: ["", "1K", "_K", "K K", " K", "K\n", "k" * 65],
    TOPIC: ["", ".t", "*", "-t", "t t", " t", "t\n", "t" * 129],
    HOOK_NAME: ["", "H", "9h", "_h", "h-h", "h.h", " h", "h\n", "h" * 65],
    DOCUMENT: ["", "html", "a.html ", "a.html.gz", "a.xml", "a.html\n", "ahtml"],
}


def takes(pattern: str, text: str) -> bool:
    """Whether a member with this pattern may have this text."""
    try:
        TypeAdapter(Annotated[str, Field(pattern=pattern)]).validate_python(text)
    except ValidationError:
        return False
    return True


@pytest.mark.parametrize("pattern", TAKEN)
def test_a_pattern_takes_these_texts_and_not_those(pattern: str) -> None:
    assert [text for text in TAKEN[pattern] if not takes(pattern, text)] == []
    assert [text for text in REFUSED[pattern] if takes(pattern, text)] == []
