"""The dispatcher with a real database and real queues, and a server that answers as the runner."""

import json
import os
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import boto3

from alga_ext.calls.deliveries import event_delivery_id, event_key, schedule_delivery_id
from alga_ext.calls.envelope import ExecuteRequest, ExecuteResponse, decode_request, encode
from alga_ext.calls.messages import DeliveryQueued, decode_message, encode_message
from alga_ext.stores.database import Database, Row
from functions.gateway.deliveries.dispatching import dispatch
from functions.gateway.services import DispatcherServices
from tests.conftest import Databases
from tests.support.answering import AnsweringServer, Asked, Reply, answering
from tests.support.call_door import SIGNER

TOPIC, HANDLER, ENDPOINT = "ticket.created", "/on-ticket", "/nightly"
_CATALOGUE = """
insert into app.publisher (publisher, display_name, created_by) values ('acme', 'Acme', 't') on conflict do nothing;
insert into app.extension_bundle (content_hash, size_bytes, signing_key_id) values ('{hash}', 1, 'k')
  on conflict do nothing;
insert into app.extension_registry (extension_id, name, publisher, created_by)
  values ('{extension}', 'com.acme.n{extension}', 'acme', 't');
insert into app.extension_version (version_id, extension_id, version, content_hash, state, manifest, published_by)
  values ('{extension}', '{extension}', '1.0.0', '{hash}', 'ready', '{manifest}', 't');
insert into app.tenant_extension_install
  (tenant_id, install_id, extension_id, version_id, content_hash, publisher, publisher_key_id, grant_hash, installed_by)
  values ('{tenant}', '{install}', '{extension}', '{extension}', '{hash}', 'acme', 'k', 'g', 't');
insert into app.extension_event_subscription (tenant_id, install_id, topic, handler)
  values ('{tenant}', '{install}', '{topic}', '{handler}');
"""
_NEXT_VERSION = """
insert into app.extension_bundle (content_hash, size_bytes, signing_key_id) values ('{hash}', 1, 'k');
insert into app.extension_version (version_id, extension_id, version, content_hash, state, manifest, published_by)
  select '{version}', extension_id, '2.0.0', '{hash}', 'ready', '{manifest}', 't'
  from app.tenant_extension_install where install_id = '{install}';
update app.tenant_extension_install set version_id = '{version}', content_hash = '{hash}'
  where install_id = '{install}';
"""
_MANIFEST = {"publisher": "acme", "api": {"endpoints": [{"method": "POST", "path": ENDPOINT}]}}
_EVENT = """
insert into app.extension_event (tenant_id, event_key, topic, source, event_id, hops, origin, body, fanned_out_at)
values (:tenant, :key, :topic, :source, :event_id, :hops, 'api', :body, now()) on conflict do nothing
"""
_DELIVERY = """
insert into app.extension_delivery
  (tenant_id, delivery_id, install_id, trigger, subject, event_key, schedule_id, due_at, missed, method, path, payload,
   timeout_ms, hops, delay_s)
values (:tenant_id, :delivery_id, :install_id, :trigger, :subject, :event_key, :schedule_id, :due_at, :missed, :method,
        :path, :payload, :timeout_ms, :hops, :delay_s)
"""
_DEFAULTS: dict[str, Any] = dict.fromkeys(("event_key", "schedule_id", "due_at", "payload", "timeout_ms"), None) | {
    "missed": 0,
    "hops": 0,
    "delay_s": 0,
}


class Dispatching:
    """One dispatcher, its rows and its queues."""

    def __init__(
        self, databases: Databases, server: AnsweringServer, environment: dict[str, str], urls: Mapping[str, str]
    ) -> None:
        self.owner = Database(databases.owner)
        self.server = server
        self.environment = environment
        self.services = DispatcherServices.build(environment)
        self.urls = urls
        self.sqs = boto3.client("sqs")
        self.answers({})

    def close(self) -> None:
        self.owner.close()
        self.services.close()

    # What the extensions do

    def answers(self, answer: Mapping[str, Any] | Callable[[ExecuteRequest], Mapping[str, Any]]) -> None:
        """Let every extension answer with these members of an ``ExecuteResponse``, or as a function of the call."""

        def reply(asked: Asked) -> Reply:
            found = answer if isinstance(answer, Mapping) else answer(decode_request(asked.body))
            return Reply(200, encode(ExecuteResponse(**{"status": 204, **found})))

        self.server.answer = reply

    @property
    def calls(self) -> list[ExecuteRequest]:
        """The calls that extensions got so far."""
        return [decode_request(asked.body) for asked in self.server.asked]

    # Rows

    def sql(self, statement: str, tenant_id: str = "acme", **values: Any) -> list[Row]:
        with self.owner.tenant(tenant_id) as tx:
            return tx.rows(statement, **values)

    def change(self, statement: str, tenant_id: str = "acme", **values: Any) -> int:
        with self.owner.tenant(tenant_id) as tx:
            return tx.execute(statement, **values)

    def install(self, tenant_id: str = "acme") -> str:
        """Install an extension of its own for a tenant, and return the install's id."""
        made = str(uuid.uuid4())
        with self.owner.tenant(tenant_id) as tx:
            tx.script(
                _CATALOGUE.format(
                    tenant=tenant_id,
                    install=made,
                    extension=uuid.uuid4(),
                    hash=f"sha256:{uuid.uuid4().hex * 2}",
                    manifest=json.dumps(_MANIFEST),
                    topic=TOPIC,
                    handler=HANDLER,
                )
            )
        return made

    def update(self, install_id: str, tenant_id: str = "acme") -> str:
        """Move an install to a version of its own, with the same manifest, and return the version's id."""
        version_id, content_hash = str(uuid.uuid4()), f"sha256:{uuid.uuid4().hex * 2}"
        made = {"version": version_id, "hash": content_hash, "manifest": json.dumps(_MANIFEST), "install": install_id}
        with self.owner.tenant(tenant_id) as tx:
            tx.script(_NEXT_VERSION.format(**made))
        return version_id

    def event(self, install_id: str, tenant_id: str = "acme", event_id: str | None = None, **members: Any) -> str:
        """Store an event and its delivery to an install, as fan-out does before it gives slots; return the delivery."""
        event_id = event_id or uuid.uuid4().hex
        key = event_key("/tickets", event_id)
        attributes = {"specversion": "1.0", "type": TOPIC, "source": "/tickets", "id": event_id, "data": {"n": 1}}
        body = json.dumps({**attributes, **members.pop("attributes", {})})
        hops = members.get("hops", 0)
        with self.owner.tenant(tenant_id) as tx:
            given = {"topic": TOPIC, "source": "/tickets", "event_id": event_id, "hops": hops, "body": body}
            tx.execute(_EVENT, tenant=tenant_id, key=key, **given)
        delivery_id = event_delivery_id(key, install_id, HANDLER)
        given = {"trigger": "event", "subject": TOPIC, "event_key": key, "method": "POST", "path": HANDLER}
        return self._delivery(tenant_id, delivery_id, install_id, {**given, **members})

    def run(self, install_id: str, tenant_id: str = "acme", **members: Any) -> str:
        """Store the delivery of a schedule's run, as the tick does, and return its id."""
        schedule_id, due_at = str(uuid.uuid4()), datetime(2026, 3, 1, 2, 30, tzinfo=UTC)
        given = {"trigger": "schedule", "subject": "nightly", "schedule_id": schedule_id, "due_at": due_at}
        where = {"method": "POST", "path": ENDPOINT}
        delivery_id = schedule_delivery_id(schedule_id, due_at)
        return self._delivery(tenant_id, delivery_id, install_id, {**given, **where, **members})

    def _delivery(self, tenant_id: str, delivery_id: str, install_id: str, members: dict[str, Any]) -> str:
        key = {"tenant_id": tenant_id, "delivery_id": delivery_id, "install_id": install_id}
        with self.owner.tenant(tenant_id) as tx:
            tx.execute(_DELIVERY, **{**_DEFAULTS, **key, **members})
        return delivery_id

    def row(self, delivery_id: str, tenant_id: str = "acme") -> Row:
        statement = "select * from app.extension_delivery where tenant_id = :t and delivery_id = cast(:d as uuid)"
        (row,) = self.sql(statement, tenant_id, t=tenant_id, d=delivery_id)
        return row

    def state(self, delivery_id: str, tenant_id: str = "acme") -> str:
        return str(self.row(delivery_id, tenant_id)["state"])

    # Queues

    def queue(self, tenant_id: str = "acme") -> list[str]:
        """Give free slots away and return the deliveries that got one. No message is sent."""
        return [
            str(row["delivery"])
            for row in self.sql("select delivery from app.queue_deliveries(:t)", tenant_id, t=tenant_id)
        ]

    def dispatch(self, *delivery_ids: str, tenant_id: str = "acme") -> list[str]:
        """Hand messages of deliveries to the dispatcher as one batch; return those that must come again."""
        bodies = [encode_message(DeliveryQueued(tenant_id=tenant_id, delivery_id=one)).decode() for one in delivery_ids]
        return self.batch(*(record(body, one) for body, one in zip(bodies, delivery_ids, strict=True)))

    def batch(self, *records: dict[str, Any]) -> list[str]:
        answer = dispatch({"Records": list(records)}, self.services)
        return [failed["itemIdentifier"] for failed in answer["batchItemFailures"]]

    def deliver(self, delivery_id: str) -> str:
        """Give a delivery a slot, dispatch its message once, and return its state."""
        self.queue()
        self.dispatch(delivery_id)
        return self.state(delivery_id)

    def sent(self, queue: str = "deliveries") -> list[Any]:
        """Take all messages out of a queue that are visible."""
        found: list[Any] = []
        while received := self.sqs.receive_message(QueueUrl=self.urls[queue], MaxNumberOfMessages=10).get("Messages"):
            for message in received:
                found.append(decode_message(message["Body"]))
                self.sqs.delete_message(QueueUrl=self.urls[queue], ReceiptHandle=message["ReceiptHandle"])
        return found

    def received(self) -> list[dict[str, Any]]:
        """Receive the visible messages of the queue as an event source does: they stay, and are hidden."""
        found = self.sqs.receive_message(QueueUrl=self.urls["deliveries"], MaxNumberOfMessages=10).get("Messages", [])
        return [record(message["Body"], message["MessageId"], message["ReceiptHandle"]) for message in found]

    def delete(self, records: list[dict[str, Any]]) -> None:
        for one in records:
            self.sqs.delete_message(QueueUrl=self.urls["deliveries"], ReceiptHandle=one["receiptHandle"])


def record(body: str, message_id: str, receipt_handle: str = "not a handle") -> dict[str, Any]:
    """Return a message as a function gets it from SQS."""
    return {"messageId": message_id, "body": body, "receiptHandle": receipt_handle}


@contextmanager
def dispatching(databases: Databases, **settings: str) -> Iterator[Dispatching]:
    """A dispatcher with queues and a runner's server of its own; AWS is what the environment names."""
    sqs, name = boto3.client("sqs"), uuid.uuid4().hex[:8]
    urls = {queue: sqs.create_queue(QueueName=f"{queue}-{name}")["QueueUrl"] for queue in ("executions", "deliveries")}
    with answering(lambda _: Reply(500)) as server:
        environment = {
            **os.environ,
            "DATABASE_URL": databases.gateway,
            "RUNNER_BASE_URL": server.url,
            "EXECUTIONS_QUEUE_URL": urls["executions"],
            "DELIVERIES_QUEUE_URL": urls["deliveries"],
            "EXECUTION_TOKEN_PRIVATE_KEY": SIGNER.private_pem,
            "INSTALL_CACHE_MS": "0",
            **settings,
        }
        made = Dispatching(databases, server, environment, urls)
        try:
            yield made
        finally:
            made.close()
