"""Read the metrics in a function's log lines, as CloudWatch does."""

import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple


class Sample(NamedTuple):
    """One value of one metric with one set of dimensions."""

    namespace: str
    name: str
    dimensions: frozenset[tuple[str, str]]
    unit: str
    value: float


def metric_lines(output: str) -> list[dict[str, Any]]:
    """Return the lines that are metrics, as JSON."""
    documents = [json.loads(line) for line in output.splitlines() if line.startswith("{")]
    return [document for document in documents if "_aws" in document]


def samples(document: Mapping[str, Any]) -> Iterator[Sample]:
    """Yield what CloudWatch reads from one line.

    A value that a directive names must be there, and at most 100 metrics may stand in one (the specification of the
    embedded metric format).
    """
    for directive in document["_aws"]["CloudWatchMetrics"]:
        assert len(directive["Metrics"]) <= 100
        for names in directive["Dimensions"]:
            dimensions = frozenset((name, document[name]) for name in names)
            for metric in directive["Metrics"]:
                values = document[metric["Name"]]
                for value in values if isinstance(values, list) else [values]:
                    yield Sample(directive["Namespace"], metric["Name"], dimensions, metric["Unit"], value)


def totals(output: str) -> dict[str, float]:
    """Return the sums of the metrics without a dimension, by name."""
    found: dict[str, float] = {}
    for document in metric_lines(output):
        for sample in samples(document):
            if not sample.dimensions:
                found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def by_dimension(output: str, name: str) -> dict[str, float]:
    """Return the sums of one metric by the value of its dimension."""
    found: dict[str, float] = {}
    for document in metric_lines(output):
        for sample in samples(document):
            if sample.name == name and sample.dimensions:
                ((_, value),) = sample.dimensions
                found[value] = found.get(value, 0) + sample.value
    return found
