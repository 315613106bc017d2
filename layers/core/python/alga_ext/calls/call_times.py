"""Times of a finished call that metrics are made of (pure)."""

from datetime import datetime

from alga_ext.calls.messages import ExecutionFinished


def overhead_ms(finished: ExecutionFinished) -> float:
    """Return how many milliseconds between a call's acceptance and its end were not the guest's."""
    took = datetime.fromisoformat(finished.at) - datetime.fromisoformat(finished.accepted_at)
    return max(0.0, round(took.total_seconds() * 1000 - finished.usage.duration_ms, 3))


def lag_ms(finished: ExecutionFinished, now: datetime) -> float:
    """Return how many milliseconds ago a call ended."""
    return max(0.0, (now - datetime.fromisoformat(finished.at)).total_seconds() * 1000)
