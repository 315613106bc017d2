"""A name whose address changes between lookups leads nowhere it was not checked for."""

from alga_ext.calls.envelope import ExecuteRequest
from tests.security.guests import wat_snippets
from tests.security.world import World
from tests.support.runner_fixture import call

HOST = "rebinding.example.com"


def going(world: World, component: bytes) -> ExecuteRequest:
    """Return a call to the changing name, whose next lookup answers with a public address."""
    world.resolver.lookups = 0
    request = call(world.published(component))
    wat_snippets.give_body(request, f"{world.granted(HOST)}/")
    request.grants.egress = [world.granted(HOST)]
    return request


def test_a_name_is_looked_up_once_in_a_call(world: World) -> None:
    world.house.execute(going(world, wat_snippets.fetching_twice()))
    assert world.resolver.lookups == 1


def test_the_second_request_of_a_call_goes_where_the_first_was_checked(world: World) -> None:
    assert world.house.execute(going(world, wat_snippets.fetching_twice())).status == 200


def test_the_next_call_is_refused_when_the_name_has_become_private(world: World) -> None:
    request = going(world, wat_snippets.fetcher())
    world.house.execute(request)
    again = going(world, wat_snippets.fetcher())
    world.resolver.lookups = 1
    assert world.house.execute(again).status == 481


def test_no_stranger_was_reached_by_a_changing_name(world: World) -> None:
    before = world.stranger.connections
    for _ in range(4):
        request = going(world, wat_snippets.fetching_twice())
        world.resolver.lookups = 1
        world.house.execute(request)
    assert world.stranger.connections == before
