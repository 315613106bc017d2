"""The base of every function's settings: typed, frozen, read once from an environment mapping.

pydantic-settings is not used: it costs 25–90 ms of import for what these lines do.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError


class SettingsError(ValueError):
    """The environment does not fit; the message names variables and rules, never values."""


class Settings(BaseModel):
    """Base for settings: field ``foo_ms`` is read from the variable ``FOO_MS``; unknown variables are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore", hide_input_in_errors=True)

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read the settings; an empty variable counts as absent.

        Raises:
            SettingsError: a variable is missing or does not fit; initialisation fails, so a bad deployment
                shows at once and not at its first use.
        """
        given = {name: environ[name.upper()] for name in cls.model_fields if environ.get(name.upper())}
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            faults = "; ".join(f"{str(e['loc'][0]).upper() if e['loc'] else '?'}: {e['msg']}" for e in error.errors())
            message = f"environment of {cls.__name__}: {faults}"
            raise SettingsError(message) from None


def is_path(setting: str) -> bool:
    """Tell whether key material or a document is given as the path of a file, and not in place."""
    return not (setting.lstrip().startswith(("{", "[")) or "-----BEGIN" in setting)


def read_material(setting: str) -> str:
    """Return key material or a document given either in place or as the path of a file.

    Text that starts with ``{`` or ``[``, or holds ``-----BEGIN``, is the content itself; all else is a path.
    """
    return Path(setting).read_text(encoding="utf-8") if is_path(setting) else setting
