"""A monotonic clock that a test moves."""


class Clock:
    """Returns ``now_s``, in seconds, when it is called. A test adds to it."""

    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s
