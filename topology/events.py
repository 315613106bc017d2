"""The bus on which the host application publishes events."""

from typing import Final

EVENT_BUS: Final = "events"
"""Its name in a deployment; a deployment may add its own prefix."""
