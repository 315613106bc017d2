"""Which of the platform's keys have been in use for longer than they should. Pure.

An overdue key still works: its use would otherwise end at an instant that nobody chose. It is a warning in the health
check, a metric, and a line in the registry's list of keys (docs/how-to/rotate-a-signing-key.md).
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Literal, NamedTuple

from alga_ext.trust.policy import KeyState

KeyUse = Literal["root", "release", "artifact", "log", "execution", "call_token"]


class PlatformKey(NamedTuple):
    """One key of the platform.

    Attributes:
        use: what it signs.
        key_id: ``sha256:`` and the hash of the public key.
        state: whether its signatures are accepted now.
        signs: whether the platform signs with it now. Another key only verifies what was signed before, so its age does
            not matter.
        created_at: when it was created; None when nothing says so.
        max_age_days: how old it may get while it signs.
    """

    use: KeyUse
    key_id: str
    state: KeyState
    signs: bool
    created_at: datetime | None
    max_age_days: int

    def age_days(self, now: datetime) -> int | None:
        """Return the full days since the key was created, or None when that is unknown."""
        return None if self.created_at is None else (now - self.created_at).days

    def is_overdue(self, now: datetime) -> bool:
        """Tell whether the key signs and is older than it should be. A key of unknown age is not."""
        age_days = self.age_days(now)
        return self.signs and age_days is not None and age_days >= self.max_age_days


def warnings(keys: Iterable[PlatformKey], now: datetime) -> list[str]:
    """Return one sentence for each overdue key."""
    return [
        f"The {key.use} key {key.key_id} is {key.age_days(now)} days old; rotate it before {key.max_age_days} days."
        for key in keys
        if key.is_overdue(now)
    ]
