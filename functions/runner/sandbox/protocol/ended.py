"""How a sandbox child ended, as a value that decisions can be made on. Pure."""


class Ended(Exception):
    """The child ended or was ended during a call: why, and what it had used of CPU and memory by then."""

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
