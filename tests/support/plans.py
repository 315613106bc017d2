"""How PostgreSQL runs the statements of a piece of code, for tests and benchmarks of plans."""

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from alga_ext.stores.database import Row, Tx

_EXPLAIN: Final = "explain (analyze, buffers, timing off, format json)"
_SORTS: Final = frozenset({"Sort", "Incremental Sort"})


class Plan(NamedTuple):
    """The plan of one statement with what it did; ``root`` is as PostgreSQL's documentation of EXPLAIN has it."""

    root: dict[str, Any]

    def nodes(self) -> Iterator[dict[str, Any]]:
        """Yield each node that was run."""
        waiting = [self.root]
        while waiting:
            node = waiting.pop()
            waiting += node.get("Plans", [])
            if node["Actual Loops"]:
                yield node

    def scans(self, table: str) -> list[dict[str, Any]]:
        """Return the scans of a table, or of a partition of it, that were run."""
        return [node for node in self.nodes() if node.get("Relation Name", "").startswith(table)]

    def rows_read(self, table: str) -> int:
        """Return how many rows of a table were read, those included that a filter removed."""
        return int(
            sum(
                (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
                for node in self.scans(table)
            )
        )

    def rows_sorted(self) -> int:
        """Return how many rows went through a sort."""
        return int(
            sum(node["Actual Rows"] * node["Actual Loops"] for node in self.nodes() if node["Node Type"] in _SORTS)
        )

    @property
    def buffers(self) -> int:
        """How many blocks of 8 KiB were looked at."""
        return int(self.root["Shared Hit Blocks"] + self.root["Shared Read Blocks"])

    @property
    def partitions(self) -> int:
        """How many partitions the plan names, run or not."""
        waiting, names = [self.root], set()
        while waiting:
            node = waiting.pop()
            waiting += node.get("Plans", [])
            names.add(node.get("Relation Name"))
        return len({name for name in names if name and name[-8:].isdigit()})


class PlannedTx(Tx):
    """A transaction that also notes the plan of each statement that returns rows."""

    def __init__(self, tx: Tx) -> None:
        super().__init__(tx._connection)
        self.plans: list[Plan] = []

    def rows(self, sql: str, **params: Any) -> list[Row]:
        (explained,) = super().rows(f"{_EXPLAIN} {sql}", **params)
        self.plans.append(Plan(explained["QUERY PLAN"][0]["Plan"]))
        return super().rows(sql, **params)
