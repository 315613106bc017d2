"""The route that takes events of the host application, as CloudEvents 1.0 over HTTP."""

from aws_lambda_powertools.event_handler import Response
from aws_lambda_powertools.event_handler.router import APIGatewayHttpRouter

from alga_ext.edge.http import Request
from alga_ext.platform_metrics import EVENTS_RECEIVED
from alga_ext.telemetry import emit
from functions.registry.api import permissions
from functions.registry.api.event_shapes import EventOut, EventsOut
from functions.registry.api.exchange import actor, created, principal, reply, require_enabled, services
from functions.registry.events import cloudevents, receiving
from functions.registry.events.receiving import Publisher

router = APIGatewayHttpRouter()


@router.post("/api/events")
def publish_events() -> Response[EventsOut]:
    """Publish events of a tenant. All of a request are stored, or none.

    The answer says which of them were stored before. The token's tenant is the events' tenant. If the token names none,
    the attribute algatenant does, and the tenant's audit trail says who published.
    """
    registry, caller = services(router), principal(router)
    permissions.require_event_publisher(caller)
    require_enabled(router)
    request: Request = router.context["request"]
    given = cloudevents.read(request.headers, request.body)
    taken = receiving.receive(
        given,
        Publisher(actor(router, caller), caller.tenant_id),
        registry.database,
        registry.events_queue,
        registry.evaluator,
    )
    if new := sum(one.is_new for one in taken):
        emit("registry", {EVENTS_RECEIVED: new}, origin="api")
    out = [
        EventOut(id=one.event.document["id"], source=one.event.document["source"], result=one.result) for one in taken
    ]
    return reply(created(EventsOut(events=out), 202))
