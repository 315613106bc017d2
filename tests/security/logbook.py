"""A function's log as it is written: JSON lines, kept while an attack goes on."""

import json
import logging
from typing import Any, Self

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

    def of_the_guest(self) -> list[dict[str, Any]]:
        """Return the guest's own lines."""
        return [document for document in self.documents() if document.get("guest")]
