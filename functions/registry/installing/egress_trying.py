"""Try a narrower list of egress hosts on an install: begin, report, end, apply (docs/adr/0044)."""

from datetime import date
from typing import Any, Final, NamedTuple

from alga_ext.bundles.manifest import Manifest
from alga_ext.calls.install_config import with_defaults
from alga_ext.errors import PlatformError
from alga_ext.stores.database import Row, Tx
from functions.registry.installing import egress_trials, installs, narrower_egress, updates
from functions.registry.installing.grant_set import stored
from functions.registry.installing.narrower_egress import Requested
from functions.registry.publishing import versions
from functions.registry.records import egress_days
from functions.registry.records.audit import Actor

JUDGED_LIMIT: Final = 2_000
"""How many destinations are judged for one report: those with the most requests."""


class Report(NamedTuple):
    """What a trial would have refused in its days.

    Attributes:
        refused: the destinations that it would have refused, the one with the most requests first.
        requests: how many requests there were to all destinations.
        unjudged: how many of them cannot be judged, because the ledger or this report does not name their destination.
    """

    refused: list[Requested]
    requests: int
    unjudged: int


def begin(tx: Tx, tenant_id: str, install_id: str, named: list[str], days: int, today: date, actor: Actor) -> None:
    """Begin a trial of a list of hosts, in place of the one that there is, if any.

    Args:
        tx: a transaction of the tenant.
        tenant_id: the tenant.
        install_id: the install.
        named: the hosts, as grants name them.
        days: for how many days after today.
        today: the UTC day.
        actor: who begins it.

    Raises:
        PlatformError: ``install_not_found``; ``grants_invalid`` for a host that is not within what is granted now.
    """
    install = installs.load_install(tx, tenant_id, install_id, lock=True)
    hosts = narrower_egress.narrower(named, stored(install).egress)
    egress_trials.replace(tx, tenant_id, install_id, hosts, today, days, actor)
    # If-Match also protects the trial, so that no admin applies another list than the one they read about.
    installs.touch(tx, tenant_id, install_id)


def end(tx: Tx, tenant_id: str, install_id: str, actor: Actor) -> None:
    """End the trial of an install. Its grants stay as they are.

    Raises:
        PlatformError: ``install_not_found``; ``egress_trial_not_found``.
    """
    installs.load_install(tx, tenant_id, install_id, lock=True)
    if not egress_trials.end(tx, tenant_id, install_id, actor):
        raise _no_trial()
    installs.touch(tx, tenant_id, install_id)


def load(tx: Tx, tenant_id: str, install: Row) -> tuple[Row, Report]:
    """Return the trial of an install, and what it would have refused, or raise ``egress_trial_not_found``."""
    install_id = str(install["install_id"])
    trial = _required(tx, tenant_id, install_id)
    days = (trial["first_day"], trial["last_day"])
    rows, requests = egress_days.most_requested(tx, tenant_id, install_id, days, JUDGED_LIMIT)
    manifest = Manifest.model_validate(versions.load_version(tx, str(install["version_id"]))["manifest"])
    found = [Requested(row["destination"], row["requests"], row["first_day"], row["last_day"]) for row in rows]
    refused = narrower_egress.refused_by(trial["hosts"], with_defaults(manifest.config, install["config"]), found)
    return trial, Report(refused, requests, requests - sum(one.requests for one in found))


def apply(tx: Tx, tenant_id: str, install_id: str, actor: Actor) -> None:
    """Grant exactly the hosts that were tried, as any other change of grants, and end the trial.

    Raises:
        PlatformError: ``install_not_found``; ``egress_trial_not_found``; ``grants_invalid`` when the present grants
            cannot be given again; ``conflict`` when that would change another grant too.
    """
    before = installs.load_install(tx, tenant_id, install_id, lock=True)
    trial = _required(tx, tenant_id, install_id)
    egress_trials.end(tx, tenant_id, install_id, actor, "egress_trial.apply")
    wanted = stored(before)._replace(egress=tuple(trial["hosts"]))
    named: dict[str, Any] = {"secret_headers": {}, **wanted.document()}
    updates.regrant(tx, tenant_id, install_id, named, actor)
    if stored(installs.load_install(tx, tenant_id, install_id)) != wanted:
        raise PlatformError(
            "conflict",
            "A configured host is not the one that is granted, so more than the tried hosts would change; decide on "
            "the waiting request first.",
        )


def _required(tx: Tx, tenant_id: str, install_id: str) -> Row:
    trial = egress_trials.load(tx, tenant_id, install_id)
    if trial is None:
        raise _no_trial()
    return trial


def _no_trial() -> PlatformError:
    return PlatformError(
        "egress_trial_not_found",
        "No list of hosts is tried on this install. A change of its granted hosts ends a trial.",
    )
