"""The static token by which a host application knows the runner, as a setting."""

import re
from typing import Annotated, Final

from pydantic import AfterValidator, SecretStr

from alga_ext.settings import Form

LEAST_CHARACTERS: Final = 16
_LEAST_DIFFERENT: Final = 6
_FILLER: Final = re.compile(
    "development|placeholder|extensions?|production|localhost|insecure|internal|password|default|example|replace|service|"
    "staging|storage|testing|change|please|runner|sample|secrets?|shared|unsafe|alga|auth|demo|here|host|local|proxy|super|"
    "test|this|token|very|your|api|dev|ext|for|keys?|not|our|prod|psa|the|an|be|in|is|me|my|of|to|ui|a|x|[^a-z]"
)
"""The words, longer ones first, of which tokens in samples and development settings consist, and what is no letter."""


def _check(token: SecretStr) -> SecretStr:
    text = token.get_secret_value()
    if not text:
        return token
    if not all(0x21 <= ord(character) <= 0x7E for character in text):
        message = "it may consist of visible ASCII characters only"
        raise ValueError(message)
    if len(text) < LEAST_CHARACTERS:
        message = f"it has {len(text)} characters, and at least {LEAST_CHARACTERS} are needed"
        raise ValueError(message)
    if not _FILLER.sub("", text.lower()) or len(set(text)) < _LEAST_DIFFERENT:
        message = "it can be guessed: it repeats a few characters, or consists of words that samples and defaults use"
        raise ValueError(message)
    return token


ServiceToken = Annotated[
    SecretStr, AfterValidator(_check), Form("a random text of 16 or more visible ASCII characters")
]
"""A setting that is empty, or a token that cannot be guessed. Well-known ones are refused."""
