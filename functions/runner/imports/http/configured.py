"""Egress grants that name a host of the install's configuration (pure).

The gateway passes ``config:KEY=host[:port]`` as it was granted. Here the pinned host takes its place as long as the
configuration names it (``alga_ext.calls.configured_hosts``).
"""

from collections.abc import Mapping, Sequence

import msgspec

from alga_ext.calls import configured_hosts
from alga_ext.calls.envelope import ExecuteGrants


def resolved(grants: ExecuteGrants, config: Mapping[str, str]) -> ExecuteGrants:
    """Return the grants with each pinned host that the configuration still names."""
    if not grants.egress and not grants.secrets:
        return grants
    return msgspec.structs.replace(
        grants,
        egress=[configured_hosts.effective(rule, config) for rule in grants.egress],
        secrets={
            name: [configured_hosts.effective(rule, config) for rule in hosts] for name, hosts in grants.secrets.items()
        },
    )


def why_not(host: str, egress: Sequence[str], config: Mapping[str, str]) -> str | None:
    """Return why a host is not granted although the configuration names it, or None.

    Args:
        host: ``host[:port]`` of the https request that was refused.
        egress: the resolved grants. A rule that still begins with ``config:`` does not hold.
        config: the configuration as the guest reads it.
    """
    for key in filter(None, map(configured_hosts.key_of, egress)):
        if configured_hosts.now_of(key, config) == host:
            return f"configuration {key} was changed to {host}, which waits until an admin grants it"
    return None
