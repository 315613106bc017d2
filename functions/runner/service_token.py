"""The static token by which a host application knows the runner, as a setting."""

import re
from typing import Annotated, Final

from alga_ext.settings import Check, Form, SecretStr

LEAST_CHARACTERS: Final = 16
_LEAST_DIFFERENT: Final = 6
_PLACEHOLDER: Final = re.compile(
    "change|default|development|example|extension|insecure|internal|local|password|placeholder|proxy|replace|runner|"
    "sample|secret|service|shared|staging|testing|token",
    re.IGNORECASE,
)
"""Words of tokens in samples and development settings. One random token in 300,000 has one by chance."""


def _check(text: str) -> None:
    if not all(0x21 <= ord(character) <= 0x7E for character in text):
        message = "it may consist of visible ASCII characters only"
        raise ValueError(message)
    if len(text) < LEAST_CHARACTERS:
        message = f"it has {len(text)} characters, and at least {LEAST_CHARACTERS} are needed"
        raise ValueError(message)
    if text.isdecimal() or len(set(text)) < _LEAST_DIFFERENT:
        message = f"it can be guessed: it needs letters, and at least {_LEAST_DIFFERENT} different characters"
        raise ValueError(message)
    if _PLACEHOLDER.search(text):
        message = "it can be guessed: it contains a word that samples and defaults use; take a random text"
        raise ValueError(message)


ServiceToken = Annotated[SecretStr, Check(_check), Form("a random text of 16 or more visible ASCII characters")]
"""A setting that is empty, or a token that cannot be guessed. Tokens with words of samples are refused."""
