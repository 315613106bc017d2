"""Decide from the engine's error why a guest ended (pure, so that every case has a test)."""

import re
from typing import Final, NamedTuple

OUT_OF_MEMORY_SHARE: Final = 0.9
"""A trap counts as out of memory when at least this share of the memory limit is in use."""

_MESSAGE_LIMIT: Final = 300

_TRAP = re.compile(r"wasm trap: (.+)")
_MEMORY_LIMIT = re.compile(r"exceeds memory limits|resource limit exceeded: memory(?! count)|memory minimum size")
_PATH = re.compile(r"(?:/[\w.@+-]+){2,}")


class Verdict(NamedTuple):
    """An error code of the execute envelope and a sentence that a tenant may read."""

    code: str
    message: str


def judge(
    text: str,
    exit_status: int | None,
    *,
    past_deadline: bool,
    memory_bytes: int,
    limit_bytes: int,
    beyond_memory: bool = False,
) -> Verdict:
    """Return the verdict on a guest that the engine ended.

    Args:
        text: the engine's error with its causes, one on each line.
        exit_status: the status that the guest passed to ``wasi:cli/exit``, if that ended it.
        past_deadline: whether the call's deadline has passed.
        memory_bytes: linear memory in use when the guest ended.
        limit_bytes: the memory limit.
        beyond_memory: whether the guest was interrupted because its memories together are over the limit.
    """
    if beyond_memory:
        return out_of_memory(limit_bytes)
    if exit_status is not None:
        return Verdict("guest_trapped", f"The extension called exit with status {exit_status}.")
    if "all fuel consumed" in text:
        return Verdict("guest_out_of_fuel", "The extension used up its fuel.")
    if "wasm trap: interrupt" in text:
        return Verdict("guest_timeout", "The extension ran longer than its time limit.")
    if "too much data is being copied" in text:
        return Verdict("guest_trapped", "The extension trapped: it passed more data in one call than is allowed.")
    if _MEMORY_LIMIT.search(text) or memory_bytes >= limit_bytes * OUT_OF_MEMORY_SHARE:
        return out_of_memory(limit_bytes)
    if past_deadline:
        return Verdict("guest_timeout", "The extension ran longer than its time limit.")
    return Verdict("guest_trapped", f"The extension trapped: {_reason(text)}.")


def out_of_memory(limit_bytes: int) -> Verdict:
    """Return the verdict on a guest that needed more memory than its limit."""
    return Verdict(
        "guest_out_of_memory", f"The extension needed more memory than its limit of {limit_bytes >> 20} MiB."
    )


def _reason(text: str) -> str:
    """Return the innermost cause as one line, without paths of this machine."""
    trap = _TRAP.search(text)
    if trap:
        reason = trap[1]
    else:
        causes = [line.strip() for line in text.partition("Caused by:")[2].splitlines() if line.strip()]
        lines = [line.strip() for line in text.splitlines() if line.strip()]
        reason = causes[-1] if causes else (lines[0] if lines else "unknown")
    reason = re.sub(r"^\d+: ", "", reason)
    return _PATH.sub("…", reason)[:_MESSAGE_LIMIT].rstrip(".")
