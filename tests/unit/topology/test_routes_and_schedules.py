"""Routes and schedules of the topology against the functions they lead to."""

import ast

import pytest

from tests.support.places import ROOT
from topology.functions import FUNCTIONS
from topology.queues import EVENT_SOURCES
from topology.routes import API_DEFAULT, METHODS, ROUTES, Route
from topology.schedules import SCHEDULES, Schedule

FUNCTION = {function.name: function for function in FUNCTIONS}
each_route = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.prefix)
each_schedule = pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: schedule.function)

HTTP_API_TIMEOUT_S = 30


@each_route
def test_a_route_leads_to_a_function_that_answers_in_time(route: Route) -> None:
    assert FUNCTION[route.function].timeout_s <= HTTP_API_TIMEOUT_S


def test_the_default_of_the_api_is_a_function_of_one_of_its_routes() -> None:
    assert API_DEFAULT in {route.function for route in ROUTES if route.front == "api"}


@each_route
def test_a_route_has_a_plain_prefix_and_known_methods(route: Route) -> None:
    assert route.prefix.startswith("/")
    assert not route.prefix.endswith("/")
    assert route.methods
    assert set(route.methods) <= set(METHODS)


def test_no_route_hides_another_of_its_front() -> None:
    hidden = [
        (first.prefix, second.prefix)
        for place, first in enumerate(ROUTES)
        for second in ROUTES[place + 1 :]
        if first.front == second.front and f"{second.prefix}/".startswith(f"{first.prefix}/")
    ]

    assert hidden == []


def test_the_user_interface_of_extensions_shares_no_front_with_the_api() -> None:
    fronts = {(route.function, route.front) for route in ROUTES}

    assert fronts == {("registry", "api"), ("gateway", "api"), ("uihost", "ui")}


@pytest.mark.parametrize(
    ("module", "prefix"),
    [
        ("functions/registry/api/registry.py", "/api/registry/v1"),
        ("functions/gateway/routing.py", "/api/ext/"),
        ("functions/uihost/paths.py", "/ext-ui/"),
    ],
)
def test_the_code_of_a_function_knows_the_prefix_of_its_route(module: str, prefix: str) -> None:
    constants = [
        node.value for node in ast.walk(ast.parse((ROOT / module).read_text())) if isinstance(node, ast.Constant)
    ]

    assert prefix in constants
    assert prefix.rstrip("/") in [route.prefix for route in ROUTES]


@each_schedule
def test_a_schedule_invokes_a_function_every_whole_number_of_minutes(schedule: Schedule) -> None:
    assert schedule.function in FUNCTION
    assert schedule.every_s >= 60
    assert schedule.every_s % 60 == 0


@each_schedule
def test_a_scheduled_run_ends_before_the_next_begins(schedule: Schedule) -> None:
    assert FUNCTION[schedule.function].timeout_s <= schedule.every_s


def test_a_tenant_isolated_function_is_reached_by_direct_invocation_only() -> None:
    others = {thing.function for things in (ROUTES, SCHEDULES, EVENT_SOURCES) for thing in things}

    assert others & {function.name for function in FUNCTIONS if function.per_tenant} == set()
