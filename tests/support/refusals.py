"""What a call is refused with, for tests that try many inputs."""

from collections.abc import Callable

from alga_ext.errors import PlatformError


def code_of(call: Callable[[], object]) -> str | None:
    """Run ``call`` and return the code of our own error, or None when it passes; any other exception comes through."""
    try:
        call()
    except PlatformError as error:
        return error.code
    return None
