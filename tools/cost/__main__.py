"""Print the cost model's tables as they are in docs/explanation/cost.md: ``make cost``."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from infra.stages import DEFAULTS, StageSettings
from tools.cost.inputs import Measured, Prices
from tools.cost.model import Stage, idle, per_million_calls, per_stored_gb, per_tenant
from topology.functions import FUNCTIONS
from topology.queues import QUEUES

ALARMS: Final = 4 * len(FUNCTIONS) + 2 * len(QUEUES) + 5
"""Alarms of a stage (infra/alarms.py): four for each function, two for each queue, five for the rest."""
_COLD_CALLS_A_DAY: Final = (1, 24, 100, 288)


def main() -> None:
    """Print all tables."""
    print("\n".join(lines(Prices(), Measured())))


def lines(prices: Prices, measured: Measured) -> list[str]:
    """Return the tables in Markdown."""
    stages = [_stage(name) for name in DEFAULTS]
    return [
        *_parts("Idle, US dollars a month", {stage.name: idle(stage, prices, measured) for stage in stages}),
        "",
        *_parts("A million warm calls, US dollars", {"each stage": per_million_calls(stages[-1], prices, measured)}),
        "",
        "| cold calls of a tenant a day | US dollars a month |",
        "|---|---|",
        *(f"| {n} | {per_tenant(stages[-1], n, prices, measured):.2f} |" for n in _COLD_CALLS_A_DAY),
        "",
        "| a stored gigabyte | US dollars a month |",
        "|---|---|",
        *(f"| {what} | {cost:.3f} |" for what, cost in per_stored_gb(prices).items()),
    ]


def _stage(name: str) -> Stage:
    defaults = DEFAULTS[name]

    def value(field: str) -> float:
        return float(defaults.get(field, StageSettings.model_fields[field].default))

    return Stage(
        name=name,
        nat_gateways=int(value("nat_gateways")),
        database_min_acu=value("database_min_acu"),
        sweep_every_s=int(value("sweep_every_s")),
        alarms=ALARMS,
        runner_memory_mb=int(value("runner_memory_mb")),
    )


def _parts(title: str, columns: Mapping[str, Mapping[str, float]]) -> Iterable[str]:
    names = list(next(iter(columns.values())))
    yield _row([title, *columns])
    yield f"|{'---|' * (len(columns) + 1)}"
    for name in names:
        yield _row([name, *(f"{column[name]:.2f}" for column in columns.values())])
    yield _row(["**together**", *(f"**{sum(column.values()):.2f}**" for column in columns.values())])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    main()
