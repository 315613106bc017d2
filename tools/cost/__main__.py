"""Print the cost model's tables as they are in docs/explanation/cost.md: ``make cost``."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from infra.stages import DEFAULTS, StageSettings
from tools.cost.cold_calls import kept_sandboxes, latency, own_environment, shared_environment
from tools.cost.inputs import ColdCalls, Measured, Prices
from tools.cost.model import Stage, custom_metrics, idle, per_million_calls, per_stored_gb, per_tenant
from topology.functions import FUNCTIONS
from topology.queues import QUEUES

ALARMS: Final = 4 * len(FUNCTIONS) + 2 * len(QUEUES) + 5 + 16
"""Alarms of a stage (infra/alarms.py): four for each function, two for each queue, sixteen on our own metrics, five
for the rest."""
_COLD_CALLS_A_DAY: Final = (1, 24, 100, 288)


def main() -> None:
    """Print all tables."""
    print("\n".join(lines(Prices(), Measured(), ColdCalls())))


def lines(prices: Prices, measured: Measured, cold_calls: ColdCalls) -> list[str]:
    """Return the tables in Markdown."""
    stages = [_stage(name) for name in DEFAULTS]
    return [
        *_parts("Idle, US dollars a month", {stage.name: idle(stage, prices, measured) for stage in stages}),
        "",
        *_parts("A million warm calls, US dollars", {"each stage": per_million_calls(stages[-1], prices, measured)}),
        "",
        "| our own metrics in CloudWatch, at most | US dollars a month |",
        "|---|---|",
        *(f"| {what} | {cost:.2f} |" for what, cost in custom_metrics(prices).items()),
        "",
        "| cold calls of a tenant a day | US dollars a month |",
        "|---|---|",
        *(f"| {n} | {per_tenant(stages[-1], n, prices, measured):.2f} |" for n in _COLD_CALLS_A_DAY),
        "",
        "| a stored gigabyte | US dollars a month |",
        "|---|---|",
        *(f"| {what} | {cost:.3f} |" for what, cost in per_stored_gb(prices).items()),
        "",
        *_cold_shares(cold_calls),
        "",
        *_latencies(cold_calls),
    ]


def _cold_shares(given: ColdCalls) -> Iterable[str]:
    yield _row(["calls of a tenant an hour", *(f"cold, kept {minutes:g} min" for minutes in given.kept_min)])
    yield f"|{'---|' * (1 + len(given.kept_min))}"
    for rate in given.calls_per_hour:
        yield _row([f"{rate:g}", *(f"{own_environment(rate, minutes).cold:.0%}" for minutes in given.kept_min)])


def _latencies(given: ColdCalls) -> Iterable[str]:
    kept_min = given.kept_min[1]
    modes = ("per tenant", f"shared by {given.tenants}")
    names = [f"{mode}, {memory_mb} MB" for mode in modes for memory_mb, _ in given.memory_mb]
    yield _row([f"calls of a tenant an hour (kept {kept_min:g} min): mean / p95 in ms", *names])
    yield f"|{'---|' * (1 + len(names))}"
    for rate in given.calls_per_hour:
        own = own_environment(rate, kept_min)
        cells = [(own, memory_mb) for memory_mb, _ in given.memory_mb]
        for memory_mb, sandbox_mb in given.memory_mb:
            sandboxes = kept_sandboxes(memory_mb, sandbox_mb)
            cells.append((shared_environment(rate, kept_min, given.tenants, sandboxes), memory_mb))
        found = [latency(shares, given.cold, given.new_sandbox, given.warm, memory_mb) for shares, memory_mb in cells]
        yield _row([f"{rate:g}", *(f"{each.mean_ms:.0f} / {each.p95_ms:.0f}" for each in found)])


def _stage(name: str) -> Stage:
    defaults = DEFAULTS[name]

    def value(field: str) -> float:
        return float(defaults.get(field, StageSettings.model_fields[field].default))

    return Stage(
        name=name,
        nat_gateways=int(value("nat_gateways")),
        database_min_acu=value("database_min_acu"),
        sweep_every_s=int(value("sweep_every_s")),
        alarms=ALARMS + 1,  # one of them compares two metrics, and is charged as two
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
