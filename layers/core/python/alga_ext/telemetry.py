"""Structured logs: one Powertools logger per function, JSON lines on stdout."""

from functools import cache

from aws_lambda_powertools import Logger

from alga_ext.errors import PlatformError


@cache
def logger(service: str) -> Logger:
    """Return the logger of ``service``; the environment variable ``LOG_LEVEL`` sets its level (default INFO)."""
    return Logger(service=service, utc=True, log_uncaught_exceptions=False)


def log_failure(service: str, error: BaseException, request_id: str) -> None:
    """Log a failed request once: refusals as warnings, faults of the platform as errors with their traceback."""
    if isinstance(error, PlatformError) and error.kind != "internal":
        context = {
            "code": error.code,
            "request_id": request_id,
            "context": {k: str(v) for k, v in error.context.items()},
        }
        logger(service).warning(error.detail, extra=context)
        return
    logger(service).error("unexpected failure", exc_info=error, extra={"request_id": request_id})
