"""The current trust bundle: read once, and again when its file changes."""

import os
from collections.abc import Callable

from alga_ext.settings import read_material
from alga_ext.trust import TrustBundle, parse_trust_bundle


class TrustSource:
    """A trust bundle given in place, or as a path that is looked at before each use.

    Args:
        setting: the document, or the path of one.
        stamp: of a path, something that changes with the file; by default its times and size.
    """

    def __init__(self, setting: str, stamp: Callable[[str], object] | None = None) -> None:
        self._setting = setting
        self._stamp_of = stamp or _file_stamp
        self._stamp: object = None
        self._bundle: TrustBundle | None = None

    def current(self) -> TrustBundle:
        """Return the bundle as it is now; the same object as long as nothing changed.

        Raises:
            PlatformError: ``trust_bundle_invalid`` or ``key_invalid``.
            OSError: the file cannot be read.
        """
        stamp = self._stamp_of(self._setting)
        if self._bundle is None or stamp != self._stamp:
            self._bundle = parse_trust_bundle(read_material(self._setting))
            self._stamp = stamp
        return self._bundle


def _file_stamp(setting: str) -> object:
    if setting.lstrip().startswith(("{", "[", "-----BEGIN")):
        return None
    status = os.stat(setting)  # noqa: PTH116 - the name may be anything a path can be
    return (status.st_mtime_ns, status.st_size, status.st_ino)
