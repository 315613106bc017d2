"""The exception for a sandbox child that ended during a call (pure)."""


class Ended(Exception):
    """The child ended or was killed.

    Attributes:
        reason: why, for the log.
        signal_number: the signal that ended the child, or 0.
        timed_out: whether the call's deadline was exceeded.
        cpu_ns: CPU time that the call used, in nanoseconds.
        memory_peak_bytes: peak of resident memory that the call used; 0 when it is unknown.
    """

    def __init__(
        self,
        reason: str,
        *,
        signal_number: int = 0,
        timed_out: bool = False,
        cpu_ns: int = 0,
        memory_peak_bytes: int = 0,
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.signal_number = signal_number
        self.timed_out = timed_out
        self.cpu_ns = cpu_ns
        self.memory_peak_bytes = memory_peak_bytes
