"""Events and topics for tests: CloudEvents of tenants, subscribers of them, and a fan-out over a registry."""

import json
from typing import Any

from alga_ext.calls.messages import DeliveryQueued, EventReceived, Message, decode_message
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.aws_calls import SqsQueue
from alga_ext.stores.database import Database
from functions.registry.events.bus import decode
from functions.registry.events.consuming import Consumer
from tests.support.documented import documented
from tests.support.registry import Answer, RegistryWorld
from tests.support.server_extension import publish_server

STRUCTURED = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
SCHEMA = {
    "type": "object",
    "properties": {"ticket_id": {"type": "string"}, "price": {"type": "number"}},
    "required": ["ticket_id"],
}
TOPIC = "ticket.created"


def event_of(number: int = 1, topic: str = TOPIC, **members: Any) -> dict[str, Any]:
    """A CloudEvent of the host application."""
    return {
        "specversion": "1.0",
        "id": f"e-{number}",
        "source": "/host/tickets",
        "type": topic,
        "data": {"ticket_id": f"T-{number}"},
        **members,
    }


def publisher_of(world: RegistryWorld, tenant_id: str | None = "tenant-a") -> str:
    """A token that may publish events: of a tenant, or with None the platform's."""
    of_tenant = {} if tenant_id is None else {"tenant_id": tenant_id}
    return world.token(sub="host", roles=["event:publish"], **of_tenant)


def register_topic(world: RegistryWorld, topic: str = TOPIC, schema: Any = SCHEMA) -> None:
    made = world.call("PUT", f"/topics/{topic}", world.admin, {"schema": schema})
    assert made.status == 200, made


def post(world: RegistryWorld, document: Any, token: str | None = None, **headers: str) -> Answer:
    """Send one event, or a list of them, in the JSON format."""
    named = {"content-type": BATCH if isinstance(document, list) else STRUCTURED, **headers}
    return world.call("POST", "/api/events", token or publisher_of(world), document, headers=named)


def subscriber(world: RegistryWorld, *subscriptions: dict[str, Any], name: str = "com.acme.notes") -> None:
    """Publish an extension with subscriptions; its publisher is registered."""
    api = {"endpoints": [{"method": "POST", "path": "/on"}, {"method": "POST", "path": "/other"}]}
    publish_server(world, name=name, events=list(subscriptions), api=api)


def consumer_of(world: RegistryWorld) -> Consumer:
    """The fan-out of a registry."""
    queue = SqsQueue(world.deliveries_url, AwsApi(world.environment()))
    return Consumer(world.services.database, queue, world.services.evaluator)


def received(world: RegistryWorld) -> list[Message]:
    """Take every message off the events queue."""
    return _taken(world, world.events_url)


def queued(world: RegistryWorld) -> list[str]:
    """Take every message off the deliveries queue, and return the ids of the deliveries."""
    return [str(message.delivery_id) for message in _taken(world, world.deliveries_url) if _is_delivery(message)]


def fan_out(world: RegistryWorld) -> dict[int, Exception]:
    """Handle what is in the events queue."""
    return consumer_of(world).handle(received(world))


def from_bus(world: RegistryWorld, *details: Any) -> dict[int, Exception]:
    """Handle events as EventBridge delivers them."""
    return consumer_of(world).handle([decode(bus_body(detail)) for detail in details])


def bus_body(detail: Any, **envelope: Any) -> str:
    return json.dumps({**documented("eventbridge_custom"), **envelope, "detail": detail})


def stored(world: RegistryWorld) -> list[dict[str, Any]]:
    """The stored events of the host application."""
    sql = "select * from app.extension_event where origin <> 'platform' order by tenant_id, source, event_id"
    return [{**row, "body": json.loads(row["body"])} for row in world.rows(sql)]


def told(world: RegistryWorld, topic: str) -> list[dict[str, Any]]:
    """The platform's events on a topic, oldest first."""
    sql = "select body from app.extension_event where origin = 'platform' and topic = :topic order by received_at"
    return [json.loads(row["body"]) for row in world.rows(sql, topic=topic)]


def deliveries(world: RegistryWorld) -> list[dict[str, Any]]:
    """The deliveries of the host application's events."""
    return world.rows(
        "select d.* from app.extension_delivery d join app.extension_event e using (tenant_id, event_key) "
        "where e.origin <> 'platform' order by d.tenant_id, d.delivery_id"
    )


def as_owner(world: RegistryWorld, sql: str) -> None:
    """Change rows as the superuser, past row-level security."""
    owner = Database(world.databases.owner)
    with owner.system() as tx:
        tx.execute(sql)
    owner.close()


def _is_delivery(message: Message) -> bool:
    return isinstance(message, DeliveryQueued)


def _taken(world: RegistryWorld, url: str) -> list[Any]:
    found = []
    while batch := world.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
        for item in batch:
            found.append(decode_message(item["Body"]))
            world.sqs.delete_message(QueueUrl=url, ReceiptHandle=item["ReceiptHandle"])
    assert all(isinstance(message, EventReceived | DeliveryQueued) for message in found)
    return found
