"""The bus on which the host application publishes events, and the queue that takes all of them."""

from typing import Final

EVENT_BUS: Final = "events"
"""Its name in a deployment; a deployment may add its own prefix."""
BUS_QUEUE: Final = "events"
"""A rule delivers every event of the bus to this queue, so it also holds bodies in the form of EventBridge."""
