"""How often the list of withdrawn bundles is read, and how long it may be used."""

from typing import Annotated, Final

from alga_ext.settings import Check

REFRESH_S: Final = 30.0
"""How often the UI host reads the list again, and so how long a withdrawn page is shown when everything works."""
MIN_LIFETIME_S: Final = 300
MAX_LIFETIME_S: Final = 86_400


def _check_lifetime(seconds: int) -> None:
    if not MIN_LIFETIME_S <= seconds <= MAX_LIFETIME_S:
        message = (
            f"it is {seconds} seconds, but must be {MIN_LIFETIME_S} to {MAX_LIFETIME_S}: at least ten times the "
            f"{REFRESH_S:.0f} seconds between two reads of the list"
        )
        raise ValueError(message)


LifetimeSetting = Annotated[int, Check(_check_lifetime)]
"""The setting ``WITHDRAWN_LIST_LIFETIME_S``."""
