"""Which lists of hosts are narrower than what is granted, and what such a list would refuse (pure).

Whether a list covers a destination is decided by the code with which the runner decides.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from typing import Any, Final, NamedTuple

from alga_ext.bundles.egress_hosts import check_egress
from alga_ext.calls import configured_hosts
from alga_ext.calls.egress_rules import is_granted, parse_url
from alga_ext.errors import PlatformError
from functions.registry.installing.grants import covers

HOSTS_LIMIT: Final = 200
_FAULTS_SHOWN: Final = 10


class Requested(NamedTuple):
    """A destination (``Target.shown``), how many requests it got, and the first and the last UTC day of them."""

    destination: str
    requests: int
    first_day: date
    last_day: date


def narrower(named: Sequence[str], granted: Sequence[str]) -> list[str]:
    """Return a list of hosts in its canonical form, after checking that it grants nothing beyond what is granted.

    Args:
        named: hosts as an admin names them. ``config:KEY`` is the configured host as it is granted.
        granted: the egress grants of the install.

    Raises:
        PlatformError: ``grants_invalid``.
    """
    if len(named) > HOSTS_LIMIT:
        raise PlatformError("grants_invalid", f"hosts has {len(named)} entries; at most {HOSTS_LIMIT} can be tried.")
    faults: list[str] = []
    found = {host for text in named if (host := _covered(text, granted, faults)) is not None}
    if faults:
        raise PlatformError("grants_invalid", f"The hosts cannot be tried: {'; '.join(faults[:_FAULTS_SHOWN])}.")
    return sorted(found)


def _covered(text: str, granted: Sequence[str], faults: list[str]) -> str | None:
    """Return the canonical form of a host that the grants cover; otherwise add a fault and return None."""
    shown = ", ".join(granted[:_FAULTS_SHOWN]) or "nothing"
    if configured_hosts.key_of(text) is not None:
        rule = configured_hosts.unpinned(text)
        pinned = next((grant for grant in granted if configured_hosts.unpinned(grant) == rule), None)
        if pinned is None:
            faults.append(f"{rule} is not granted now ({shown})")
        return pinned
    try:
        host = check_egress(text)
    except ValueError as error:
        faults.append(str(error))
        return None
    if any(covers(wide, host) for wide in granted):
        return host
    faults.append(f"{host} is not within what is granted now ({shown})")
    return None


def refused_by(hosts: Iterable[str], config: Mapping[str, Any], requested: Iterable[Requested]) -> list[Requested]:
    """Return those destinations that the runner would refuse if exactly ``hosts`` were granted.

    Args:
        hosts: canonical egress rules.
        config: the install's configuration, with its defaults.
        requested: destinations of the egress ledger that have a name.
    """
    rules = [configured_hosts.effective(host, config) for host in hosts]
    return [one for one in requested if not _is_covered(one.destination, rules)]


def _is_covered(destination: str, rules: Sequence[str]) -> bool:
    target = parse_url(destination if "://" in destination else f"https://{destination}")
    return target is not None and is_granted(target, rules)
