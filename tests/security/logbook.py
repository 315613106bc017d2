"""A function's log as it is written: JSON lines, kept while an attack goes on; and the lines of a call."""

import json
import logging
from typing import Any, Self

from alga_ext.calls.envelope import ExecuteResponse
from alga_ext.calls.log_lines import KeptLine, unpack
from alga_ext.telemetry import logger


class Logbook(logging.Handler):
    """Keeps every line a function logs; ``with`` it."""

    def __init__(self, service: str = "runner") -> None:
        super().__init__()
        self.lines: list[str] = []
        self._logger = logger(service)
        self.setFormatter(self._logger.handlers[0].formatter)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))

    def __enter__(self) -> Self:
        self._logger.addHandler(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._logger.removeHandler(self)

    def documents(self) -> list[dict[str, Any]]:
        """Return the lines read as JSON."""
        return [json.loads(line) for line in self.lines]


def kept_lines(response: ExecuteResponse) -> list[KeptLine]:
    """Return the lines that a call left for its record."""
    log = unpack(response.logs_b64z) if response.logs_b64z else None
    return [] if log is None else [*log.first, *log.last]
