"""The cost model: its page is what it prints, and its numbers move in the right direction."""

from dataclasses import replace

import pytest

from tests.support.places import ROOT
from tools.cost.__main__ import lines
from tools.cost.inputs import ColdCalls, Measured, Prices
from tools.cost.model import Stage, idle, per_million_calls, per_tenant

PAGE = ROOT / "docs" / "explanation" / "cost.md"
DEV = Stage("dev", nat_gateways=1, database_min_acu=0, sweep_every_s=3_600, alarms=63, runner_memory_mb=2_432)
PRICES, MEASURED = Prices(), Measured()


def test_the_page_has_what_the_command_prints() -> None:
    assert "\n".join(lines(PRICES, MEASURED, ColdCalls())) in PAGE.read_text(), "write it anew: make cost"


def test_a_database_that_pauses_costs_only_what_it_is_awake() -> None:
    awake = DEV._replace(database_min_acu=0.5)
    assert idle(DEV, PRICES, MEASURED)["database"] < idle(awake, PRICES, MEASURED)["database"] / 10


def test_a_sweep_every_minute_would_keep_a_pausing_database_awake_for_good() -> None:
    every_minute = idle(DEV._replace(sweep_every_s=60), PRICES, MEASURED)["database"]
    never_paused = idle(DEV._replace(database_min_acu=MEASURED.awake_acu), PRICES, MEASURED)["database"]
    assert every_minute == pytest.approx(never_paused)


@pytest.mark.parametrize("field", ["gateway_ms", "runner_ms", "queue_requests", "log_bytes", "nat_bytes"])
def test_a_call_that_takes_more_costs_more(field: str) -> None:
    more = replace(MEASURED, **{field: 2 * getattr(MEASURED, field)})
    assert sum(per_million_calls(DEV, PRICES, more).values()) > sum(per_million_calls(DEV, PRICES, MEASURED).values())


def test_a_tenants_starts_cost_in_proportion_to_their_number() -> None:
    assert per_tenant(DEV, 20, PRICES, MEASURED) == pytest.approx(2 * per_tenant(DEV, 10, PRICES, MEASURED))
