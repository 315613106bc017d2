"""The current trust bundle: read when a function starts, and again when its file changes."""

import os

from alga_ext.errors import PlatformError
from alga_ext.settings import is_path, read_material
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.trust_document import parse_trust_bundle


class TrustSource:
    """A trust bundle given in place, or as a path that is looked at before each use.

    Replace the file by renaming another one over it: a half-written file is refused, and calls with it.

    Args:
        setting: the document, or the path of one.

    Raises:
        PlatformError: ``trust_bundle_invalid`` or ``key_invalid``.
        OSError: the file cannot be read.
    """

    def __init__(self, setting: str) -> None:
        self._setting = setting
        # Stamp and bundle are one value, so that threads that read at once never leave an old bundle under a new stamp.
        self._read = (self._stamp(), parse_trust_bundle(read_material(setting)))

    def current(self) -> TrustBundle:
        """Return the bundle as it is now; the same object as long as nothing changed.

        Raises:
            PlatformError: ``policy_unavailable`` when the file is gone or is no trust bundle any more: what it said
                before is not believed on, because a revocation may be what cannot be read.
        """
        try:
            stamp = self._stamp()  # before the content: a change in between shows at the next look
            if stamp != self._read[0]:
                self._read = (stamp, parse_trust_bundle(read_material(self._setting)))
        except (OSError, UnicodeError, PlatformError) as error:
            raise PlatformError(
                "policy_unavailable", "Which keys are trusted cannot be read just now; try again.", cause=error
            ) from error
        return self._read[1]

    def _stamp(self) -> object:
        if not is_path(self._setting):
            return None
        status = os.stat(self._setting)  # noqa: PTH116 - on the path of every call, and Path costs as much again
        return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
