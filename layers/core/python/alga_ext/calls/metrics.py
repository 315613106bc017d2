"""The metrics that an extension may emit: names and units, shared by the manifest and the runner (pure)."""

from typing import Final, Literal, get_args

NAME_PATTERN: Final = r"^[A-Za-z][A-Za-z0-9_.-]{0,63}$"
DECLARED_LIMIT: Final = 20
"""How many metrics a manifest may declare. Each is a row of the tenant's for each install and day."""
VALUE_LIMIT: Final = 1e280
"""The largest absolute value. The sum of all values of a day then fits into a double, whatever they are."""
EMITTED_LIMIT: Final = 100
"""How many values a call may emit, of all its metrics together."""

Unit = Literal[
    "None", "Count", "Count/Second", "Percent", "Seconds", "Milliseconds", "Microseconds", "Bytes", "Kilobytes",
    "Megabytes", "Gigabytes", "Bits", "Bytes/Second",
]  # fmt: skip
"""CloudWatch's names of units."""
UNITS: Final[frozenset[str]] = frozenset(get_args(Unit))
