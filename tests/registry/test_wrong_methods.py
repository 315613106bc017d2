"""A path of the registry that is called with a method it has no route for."""

import pytest

from functions.registry.api.registry import PREFIX, app
from tests.support.registry import RegistryWorld

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


def routes() -> dict[str, set[str]]:
    """The methods of every path, with a value in place of each parameter."""
    found: dict[str, set[str]] = {}
    for route in [*app._static_routes, *app._dynamic_routes]:
        path = "/".join("x" if part.startswith("<") else part for part in route.path.split("/"))
        found.setdefault(path.removeprefix(PREFIX), set()).add(str(route.method))
    return found


def test_every_path_answers_a_wrong_method_with_405_and_the_right_ones(world: RegistryWorld) -> None:
    for path, allowed in routes().items():
        for method in sorted(set(METHODS) - allowed):
            answer = world.call(method, path, world.admin)

            assert (answer.status, answer.code) == (405, "method_not_allowed"), (method, path)
            assert set(answer.headers["allow"].split(", ")) >= allowed, (method, path)
            assert method not in answer.headers["allow"].split(", ")


@pytest.mark.parametrize("path", ["/nothing", "/installs/x/nothing", "/"])
def test_a_path_without_a_route_is_not_found(world: RegistryWorld, path: str) -> None:
    assert world.call("GET", path, world.admin).code == "not_found"


def test_without_a_token_no_method_is_told(world: RegistryWorld) -> None:
    answer = world.call("PATCH", "/publishers", "")

    assert answer.status == 401
    assert "allow" not in answer.headers
