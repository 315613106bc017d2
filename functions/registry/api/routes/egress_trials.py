"""Routes that try a narrower list of egress hosts on an install."""

from typing import Annotated, Final

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.openapi.params import Body
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.stores.database import Tx
from functions.registry.api import permissions
from functions.registry.api.egress_shapes import EgressTrialIn, EgressTrialOut, WouldRefuseOut
from functions.registry.api.exchange import actor, created, header, principal, reply, services
from functions.registry.api.install_shapes import InstallOut
from functions.registry.api.preconditions import check_match, revision_tag
from functions.registry.api.routes.installs import change_install
from functions.registry.api.shapes import texts
from functions.registry.installing import egress_trying, installs

router = APIGatewayHttpRouter()

_SHOWN: Final = 100


@router.get("/installs/<install_id>/egress-trial")
def get_egress_trial(install_id: str) -> Response[EgressTrialOut]:
    """Get the hosts that are tried on an install, and what they would have refused. The ETag is the install's."""
    tenant_id = permissions.require_tenant_viewer(principal(router))
    with services(router).database.tenant(tenant_id) as tx:
        return _shown(tx, tenant_id, install_id)


@router.put("/installs/<install_id>/egress-trial")
def begin_egress_trial(install_id: str, body: Annotated[EgressTrialIn, Body()]) -> Response[EgressTrialOut]:
    """Try a narrower list of hosts on an install for some days. It refuses nothing, and replaces an earlier trial."""
    caller = principal(router)
    tenant_id = permissions.require_tenant_admin(caller)
    today = services(router).now().date()
    with services(router).database.tenant(tenant_id) as tx:
        _check_revision(tx, tenant_id, install_id)
        egress_trying.begin(tx, tenant_id, install_id, body.hosts, body.days, today, actor(router, caller))
        return _shown(tx, tenant_id, install_id)


@router.delete("/installs/<install_id>/egress-trial")
def end_egress_trial(install_id: str) -> Response[None]:
    """End the trial of an install. Its grants stay as they are."""
    caller = principal(router)
    tenant_id = permissions.require_tenant_admin(caller)
    with services(router).database.tenant(tenant_id) as tx:
        _check_revision(tx, tenant_id, install_id)
        egress_trying.end(tx, tenant_id, install_id, actor(router, caller))
    return Response(204)


@router.post("/installs/<install_id>/egress-trial/apply")
def apply_egress_trial(install_id: str) -> Response[InstallOut]:
    """Grant exactly the hosts that were tried on an install, and end the trial."""
    return change_install(install_id, lambda tx, tenant, who: egress_trying.apply(tx, tenant, install_id, who))


def _check_revision(tx: Tx, tenant_id: str, install_id: str) -> None:
    install = installs.load_install(tx, tenant_id, install_id, lock=True)
    check_match(header(router, "if-match"), revision_tag(install["revision"]))


def _shown(tx: Tx, tenant_id: str, install_id: str) -> Response[EgressTrialOut]:
    install = installs.load_install(tx, tenant_id, install_id)
    trial, report = egress_trying.load(tx, tenant_id, install)
    today = services(router).now().date()
    out = EgressTrialOut(
        **texts(trial),
        state="running" if today <= trial["last_day"] else "ended",
        requests=report.requests,
        refused_requests=sum(one.requests for one in report.refused),
        unjudged_requests=report.unjudged,
        would_refuse=[WouldRefuseOut(**one._asdict()) for one in report.refused[:_SHOWN]],
        more_destinations=max(0, len(report.refused) - _SHOWN),
        revision=install["revision"],
    )
    return reply(created(out, 200), {"etag": revision_tag(install["revision"])})
