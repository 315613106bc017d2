"""Decide which error the caller of a failed call gets (pure)."""

from typing import Final

from alga_ext.errors import PlatformError

_UNREACHABLE: Final = frozenset({"database_unavailable", "queue_unavailable", "object_store_unavailable"})


def outward(error: PlatformError) -> PlatformError:
    """Return the error that the caller gets.

    When a store or queue that a call depends on cannot be used, the call is refused with 503; it is never allowed. The
    gateway reads and writes the database only to decide about calls, so a statement that the database refuses (a
    missing privilege or table) counts as well.
    An answer that is too large to carry is ``bad_gateway``, like every other answer that cannot be used. So is a
    configuration that cannot be filled in, because the caller cannot mend it.
    """
    detail = "The platform cannot check this call at the moment; try again later."
    if error.code in _UNREACHABLE:
        return PlatformError("policy_unavailable", detail, retry_after_s=error.retry_after_s)
    if error.code == "internal" and "sqlstate" in error.context:
        return PlatformError("policy_unavailable", detail)
    if error.code in ("response_too_large", "config_invalid"):
        shown = PlatformError("bad_gateway", f"{error.detail} ({error.code})")
        shown.headers = error.headers
        return shown
    return error
