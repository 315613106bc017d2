"""The patterns of texts in a manifest, and what each asks for in the words of an error message (pure)."""

from typing import Final

from alga_ext.calls.configured_hosts import LABEL

_NUMBER = r"(?:0|[1-9][0-9]*)"
_IDENTIFIER = rf"(?:{_NUMBER}|[0-9]*[a-zA-Z-][0-9a-zA-Z-]*)"
SEMVER: Final = (
    rf"^{_NUMBER}\.{_NUMBER}\.{_NUMBER}"
    rf"(?:-{_IDENTIFIER}(?:\.{_IDENTIFIER})*)?"
    r"(?:\+[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*)?$"
)
r"""Strict semantic version. It avoids ``\d``, because in pydantic's engine ``\d`` matches the digits of every script.

Source: https://semver.org/#is-there-a-suggested-regular-expression-regex-to-check-a-semver-string.
"""
NAME: Final = rf"^{LABEL}(?:\.{LABEL})+$"
SLUG: Final = r"^[a-z0-9-]{1,63}$"
SECRET_NAME: Final = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"  # noqa: S105 - the form of a name
TOPIC: Final = r"^[A-Za-z0-9][A-Za-z0-9._*-]{0,127}$"
ATTRIBUTE: Final = r"^[a-z0-9]{1,20}$"
HOOK_NAME: Final = r"^[a-z][A-Za-z0-9]{0,63}$"
DOCUMENT: Final = r"\.[xX]?[hH][tT][mM][lL]?$"
ICON: Final = r"\.([sS][vV][gG]|[pP][nN][gG]|[wW][eE][bB][pP])$"
PAGE_PATH: Final = r"^/[A-Za-z0-9._~/-]{0,255}$"
RULES: Final = {
    SEMVER: "must be a semantic version: three numbers, such as 1.0.0 or 1.2.0-beta.1",
    NAME: "must be a reverse-domain name of at least two labels, in lower-case letters, digits and hyphens, such as "
    "com.example.notes",
    SLUG: "must be 1 to 63 lower-case letters, digits or hyphens",
    SECRET_NAME: "must begin with a letter; up to 63 letters, digits, '_', '.' or '-' may follow",
    TOPIC: "must begin with a letter or digit; up to 127 letters, digits, '.', '_', '*' or '-' may follow",
    ATTRIBUTE: "must be the name of an attribute: 1 to 20 lower-case letters or digits",
    DOCUMENT: "must be an HTML document, whose name ends with .html, .htm or .xhtml",
    ICON: "must be an SVG, PNG or WebP file, whose name ends with .svg, .png or .webp",
    PAGE_PATH: "must begin with '/'; up to 255 letters, digits, '.', '_', '~', '-' or '/' may follow",
    HOOK_NAME: "must begin with a lower-case letter; up to 63 letters or digits may follow",
}
"""What each pattern asks for, in the words of an error message."""
