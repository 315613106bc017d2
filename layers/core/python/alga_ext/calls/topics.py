"""Topics: what they are called, the platform's own ones, and which subscriptions a topic reaches (pure)."""

import re
from typing import Final

INSTALL_CREATED: Final = "install.created"
INSTALL_UPDATED: Final = "install.updated"
INSTALL_REMOVED: Final = "install.removed"
INSTALL_CONFIG_CHANGED: Final = "install.config-changed"
QUOTA_WARNING: Final = "quota.warning"
SECRET_EXPIRING: Final = "secret.expiring"  # noqa: S105 - the name of a topic
UPDATE_WAITING: Final = "update.waiting"
PLATFORM_TOPICS: Final = (
    INSTALL_CREATED,
    INSTALL_UPDATED,
    INSTALL_REMOVED,
    INSTALL_CONFIG_CHANGED,
    QUOTA_WARNING,
    SECRET_EXPIRING,
    UPDATE_WAITING,
)
"""What the platform itself publishes. Nobody can register or publish one of them."""

PLATFORM_SOURCE: Final = "urn:alga:platform"
"""The ``source`` of the platform's events."""
RESERVED_SOURCES: Final = "urn:alga:"
"""No publisher's source begins so. Otherwise its event could have the key of a later one of the platform."""

BELOW: Final = ".*"
"""A subscribed topic that ends so reaches every topic that begins with what stands before it and a dot."""

_TOPIC: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", re.ASCII)


def is_topic(name: str) -> bool:
    """Tell whether a text has the form of a topic."""
    return _TOPIC.fullmatch(name) is not None


def subscribed_as(topic: str) -> list[str]:
    """Return what a manifest subscribes to in order to get a topic, the topic itself first.

    ``a.b.c`` is got by ``a.b.c``, ``a.b.*`` and ``a.*``. A ``*`` in another place of a subscription reaches nothing.
    """
    parts = topic.split(".")
    return [topic, *(".".join(parts[:length]) + BELOW for length in range(len(parts) - 1, 0, -1))]
