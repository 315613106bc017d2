"""Provide the current trust bundle: read it when a function starts, and again when its file changes."""

import os
from typing import Protocol

from alga_ext.errors import PlatformError
from alga_ext.settings import is_path, read_material
from alga_ext.trust.policy import TrustBundle
from alga_ext.trust.trust_document import parse_trust_bundle


class CurrentTrust(Protocol):
    """Provides the current trust bundle."""

    def current(self) -> TrustBundle:
        """Return the current bundle, or raise ``policy_unavailable``."""
        ...


class TrustSource:
    """A trust bundle that is given directly, or in a file that is checked for changes before each use.

    Replace the file by renaming a new one over it. While a half-written file is there, every call is refused.

    Args:
        setting: the trust bundle itself, or the path of its file.

    Raises:
        PlatformError: ``trust_bundle_invalid`` or ``key_invalid``.
        OSError: the file cannot be read.
    """

    def __init__(self, setting: str) -> None:
        self._setting = setting
        # One value for stamp and bundle: threads that read at the same time never pair an old bundle with a new stamp.
        self._read = (self._stamp(), parse_trust_bundle(read_material(setting)))

    def current(self) -> TrustBundle:
        """Return the current bundle; the same object as long as the file does not change.

        Raises:
            PlatformError: ``policy_unavailable`` when the file is missing or is no longer a valid trust bundle. The
                last good bundle is not used then, because the unreadable file may contain a new revocation.
        """
        try:
            stamp = self._stamp()  # taken before the content: the next call then detects a change in between
            if stamp != self._read[0]:
                self._read = (stamp, parse_trust_bundle(read_material(self._setting)))
        except (OSError, UnicodeError, PlatformError) as error:
            raise PlatformError(
                "policy_unavailable", "The trusted keys cannot be read at the moment; try again.", cause=error
            ) from error
        return self._read[1]

    def _stamp(self) -> object:
        if not is_path(self._setting):
            return None
        status = os.stat(self._setting)  # noqa: PTH116 - runs in every call, and Path.stat takes twice as long
        return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)
