"""The routes in docs/reference/http-api.md are those of the registry's handler, and each is in the right table."""

import re

from functions.registry.api.registry import PREFIX, app
from tests.support.places import ROOT

PAGE = ROOT / "docs" / "reference" / "http-api.md"
ROW = re.compile(r"^\| (GET|POST|PUT|PATCH|DELETE) \| `([^`]+)` \| [^|]+ \| [^|]+ \|$", re.MULTILINE)


def routes_served() -> list[tuple[str, str]]:
    return sorted(
        (method, route.openapi_path.removeprefix(PREFIX))
        for route in [*app._static_routes, *app._dynamic_routes]
        for method in ([route.method] if isinstance(route.method, str) else route.method)
    )


def test_the_page_lists_every_route_once_and_no_other() -> None:
    assert sorted(ROW.findall(PAGE.read_text())) == routes_served()


def test_every_row_of_a_table_is_read() -> None:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ") and "`/" in line]

    assert len(rows) == len(routes_served())
