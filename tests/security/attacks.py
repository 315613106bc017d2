"""What an attack is, and what is known after it was made."""

import contextlib
import io
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from alga_ext.calls.envelope import ExecuteRequest, ExecuteResponse, decode_response
from tests.security.footprint import Footprint, footprint, settled
from tests.security.logbook import Logbook, kept_lines
from tests.security.world import World
from tests.support.bodies import body_of_answer
from tests.support.runner_fixture import MAXIMA, body_of, call
from tests.support.wat import guest

GREETING: Final = guest(
    "(call $respond (i32.const 200) (i32.const 256) (i32.const 5))", data='(data (i32.const 256) "hello")'
)


@dataclass(frozen=True)
class Attack:
    """One hostile call.

    Args:
        component: builds the guest.
        code: the platform's error code, or None when the guest itself answers.
        status: what the guest answers when it does.
        body: the same, when it matters.
        call: keywords for ``house.call``.
        meet: changes the request, given the world: grants with its ports, sealed secrets.
        during: entered around the call: locks, servers.
    """

    component: Callable[[], bytes]
    code: str | None
    status: int = 200
    body: bytes | None = None
    call: Mapping[str, Any] = field(default_factory=dict)
    meet: Callable[[World, ExecuteRequest], None] = lambda _world, _request: None
    during: Callable[[World], contextlib.AbstractContextManager[object]] = lambda _world: contextlib.nullcontext()


@dataclass(frozen=True)
class Aftermath:
    """What is known after an attack."""

    answer: str
    response: ExecuteResponse
    took_ms: float
    limit_ms: int
    log: Logbook
    lines: list[str]
    printed: str
    next_status: int
    next_body: bytes
    before: Footprint
    after: Footprint
    strangers: int
    heard: list[bytes]


def made(world: World, attack: Attack) -> Aftermath:
    """Make an attack and return what came of it."""
    house = world.house
    greeting = world.published(GREETING)
    request = call(world.published(attack.component()), **attack.call)
    attack.meet(world, request)
    house.execute(call(greeting))
    before = footprint(house.pool.process_ids())
    strangers, heard = world.stranger.connections, len(world.accomplice.heard)
    printed = io.StringIO()
    with attack.during(world), Logbook() as log, contextlib.redirect_stdout(printed):
        started = time.perf_counter()
        answer = house.answer(request)
        took_ms = (time.perf_counter() - started) * 1000
    assert answer["statusCode"] == 200, answer["body"]
    following = house.execute(call(greeting))
    after = settled(before, house.pool.process_ids)
    response = decode_response(body_of_answer(answer))
    return Aftermath(
        answer=json.dumps(answer, ensure_ascii=False),
        response=response,
        lines=[line.text for line in kept_lines(response)],
        took_ms=took_ms,
        limit_ms=request.limits.timeout_ms or MAXIMA.default_timeout_ms,
        log=log,
        printed=printed.getvalue(),
        next_status=following.status,
        next_body=body_of(following),
        before=before,
        after=after,
        strangers=world.stranger.connections - strangers,
        heard=world.accomplice.heard[heard:],
    )
