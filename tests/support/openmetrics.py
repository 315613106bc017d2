"""Read OpenMetrics text as Prometheus does."""

from typing import Any

from prometheus_client.openmetrics.parser import text_string_to_metric_families


def families(text: str) -> dict[str, Any]:
    """Return the metric families of a text by name. A text that is not OpenMetrics raises ``ValueError``."""
    parsed = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # the parser has no types
    return {family.name: family for family in parsed}
