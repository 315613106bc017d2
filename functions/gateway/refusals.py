"""Decide which error the caller of a failed call gets (pure)."""

from alga_ext.errors import PlatformError


def outward(error: PlatformError) -> PlatformError:
    """Return the error that the caller gets.

    When a store or queue that a call depends on cannot be reached, the call is refused with 503; it is never allowed.
    An answer that is too large to carry is ``bad_gateway``, like every other answer that cannot be used. So is a
    configuration that cannot be filled in, because the caller cannot mend it.
    """
    if error.code in ("database_unavailable", "queue_unavailable", "object_store_unavailable"):
        detail = "The platform cannot check this call at the moment; try again later."
        return PlatformError("policy_unavailable", detail, retry_after_s=error.retry_after_s)
    if error.code in ("response_too_large", "config_invalid"):
        shown = PlatformError("bad_gateway", f"{error.detail} ({error.code})")
        shown.headers = error.headers
        return shown
    return error
