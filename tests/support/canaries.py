"""Texts that must not appear in a log, and a search that finds them in whatever form they were written."""

import base64
import secrets
from collections.abc import Iterable, Iterator

from tests.support.secret_forms import FORMS


class Canaries:
    """Makes one text for each kind of data, and finds them in other texts.

    Attributes:
        made: the texts by kind. Each consists of small letters and digits, so that it may stand in any place.
    """

    def __init__(self) -> None:
        self.made: dict[str, str] = {}

    def of(self, kind: str) -> str:
        """Return the text of a kind, the same each time."""
        return self.made.setdefault(kind, f"zq{secrets.token_hex(10)}")

    def found_in(self, lines: Iterable[str]) -> dict[str, str]:
        """Return the kinds that were found, each with the first line that has it."""
        needles = [(kind, needle) for kind, text in self.made.items() for needle in dict(forms_of(text)).values()]
        found: dict[str, str] = {}
        for line in lines:
            for kind, needle in needles:
                if kind not in found and needle in line:
                    found[kind] = line
        return found


def forms_of(text: str) -> Iterator[tuple[str, str]]:
    """Yield the forms in which a text may be written, with the name of each.

    Base64 of a longer text contains only a part of the text's own base64, and which part depends on what stands before.
    """
    yield "backwards", text[::-1]
    for name, write in FORMS.items():
        yield name, write(text).decode("latin-1").strip()
    for before in range(3):
        whole = base64.b64encode(b"x" * before + text.encode()).decode().rstrip("=")
        yield f"base64 after {before} bytes of others", whole[-(-before * 8 // 6) : len(whole) - 1]
