"""A JSON Schema validator that counts its steps and stops at a limit, so that its cost does not depend on a clock.

A schema and a value can each be small and still multiply: 900 schemas × 20,000 items. Every keyword that is applied,
every value that is compared and every match of a pattern is counted before it is done.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from fractions import Fraction
from typing import Any, Final

import jsonschema

from functions.registry.schemas.linear_patterns import Pattern

PATTERN_STEPS_LIMIT: Final = 20_000_000
"""Positions × bytes of one match. A pattern with 300 positions may see a text of 64 KiB."""

_MATCH_STEPS_PER_STEP: Final = 1_000
_MESSAGE_CHARS_PER_STEP: Final = 100


class TooCostlyError(Exception):
    """The limit of steps was reached before the value was judged."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"checking it takes more than {limit} steps")


class Meter:
    """The steps of one validation, and the patterns and sizes that it has computed once.

    Args:
        limit: how many steps may be taken. 100,000 steps take about a second.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.steps = 0
        self._patterns: dict[str, Pattern] = {}
        self._sizes: dict[int, int] = {}

    def take(self, steps: int) -> None:
        """Count steps that are about to be taken, or raise ``TooCostlyError``."""
        self.steps += steps
        if self.steps > self.limit:
            raise TooCostlyError(self.limit)

    def pattern(self, source: str) -> Pattern:
        """Return a pattern of the schema; each is compiled once."""
        if source not in self._patterns:
            self._patterns[source] = Pattern(source)
        return self._patterns[source]

    def size(self, part: Any) -> int:
        """Return the number of values in a part of the schema. The schema must live as long as this meter."""
        if id(part) not in self._sizes:
            self._sizes[id(part)] = _values(part)
        return self._sizes[id(part)]


_METER: ContextVar[Meter] = ContextVar("meter")


@contextmanager
def metered(limit: int) -> Iterator[Meter]:
    """Count the steps of every ``Validator`` used in the block; ``TooCostlyError`` when they exceed ``limit``."""
    meter = Meter(limit)
    token = _METER.set(meter)
    try:
        yield meter
    finally:
        _METER.reset(token)


def _values(value: Any) -> int:
    count, waiting = 0, [value]
    while waiting:
        part = waiting.pop()
        count += 1
        if isinstance(part, Mapping):
            waiting.extend(part.values())
        elif isinstance(part, list):
            waiting.extend(part)
    return count


def _counted(name: str, apply: Callable[..., Any]) -> Callable[..., Any]:
    """Return a keyword's function that counts: one step, more for what it compares and for the text of its errors."""

    def keyword(validator: Any, given: Any, instance: Any, schema: Any) -> Iterator[jsonschema.ValidationError]:
        meter = _METER.get()
        meter.take(1)
        if name in ("enum", "const", "required", "dependentRequired"):
            meter.take(meter.size(given))
        elif name == "uniqueItems":
            meter.take(_values(instance))
        elif name in ("properties", "additionalProperties", "propertyNames", "contains") and isinstance(
            instance, Mapping | list
        ):
            meter.take(len(instance) + (len(given) if isinstance(given, Mapping) else 0))
        for error in apply(validator, given, instance, schema):
            meter.take(1 + len(error.message) // _MESSAGE_CHARS_PER_STEP)
            yield error

    return keyword


def _pattern(validator: Any, source: str, instance: Any, _: Any) -> Iterator[jsonschema.ValidationError]:
    if not validator.is_type(instance, "string"):
        return
    meter = _METER.get()
    pattern = meter.pattern(source)
    steps = pattern.steps(instance)
    if steps > PATTERN_STEPS_LIMIT:
        most = PATTERN_STEPS_LIMIT // pattern.positions - 1
        yield jsonschema.ValidationError(
            f"the text has {len(instance.encode('utf-8', 'replace'))} bytes; for its pattern of {pattern.positions} "
            f"positions at most {most} are allowed"
        )
        return
    meter.take(steps // _MATCH_STEPS_PER_STEP)
    if not pattern.found(instance):
        yield jsonschema.ValidationError(f"{instance[:100]!r} does not match {source!r}")


def _unique_items(validator: Any, wanted: bool, instance: Any, _: Any) -> Iterator[jsonschema.ValidationError]:
    """Check ``uniqueItems`` in one pass over the items; the library compares every item with every other item."""
    if wanted and validator.is_type(instance, "array") and len({_identity(item) for item in instance}) < len(instance):
        yield jsonschema.ValidationError(f"{instance!r} has non-unique elements")


def _multiple_of(validator: Any, divisor: Any, instance: Any, _: Any) -> Iterator[jsonschema.ValidationError]:
    """Check ``multipleOf`` with the numbers as they are written: 19.99 is a multiple of 0.01.

    The library divides binary fractions, for which it is not. Fractions are exact, whatever the exponents are.
    """
    if validator.is_type(instance, "number") and Fraction(repr(instance)) % Fraction(repr(divisor)):
        yield jsonschema.ValidationError(f"{instance!r} is not a multiple of {divisor!r}")


def _identity(value: Any) -> Any:
    """Return a value that is equal for equal JSON values only (JSON Schema core §4.2.2).

    1 and 1.0 are equal; 1 and true are not.
    """
    if isinstance(value, Mapping):
        return frozenset((name, _identity(member)) for name, member in value.items())
    if isinstance(value, list):
        return tuple(_identity(item) for item in value)
    return (isinstance(value, bool), value)


Validator: Final = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    {
        name: _counted(name, apply)
        for name, apply in {
            **jsonschema.Draft202012Validator.VALIDATORS,
            "pattern": _pattern,
            "uniqueItems": _unique_items,
            "multipleOf": _multiple_of,
        }.items()
    },
)
"""Draft 2020-12, to be used inside ``metered`` only."""


def _evolve(self: Any, **changes: Any) -> Any:
    """Return this validator for another part of the schema.

    The library's own method looks at the part's ``$schema`` and changes to the library's class of that dialect, which
    counts nothing and gives patterns to Python's backtracking engine.
    """
    kept = {"schema": self.schema, "resolver": self._ref_resolver, "format_checker": self.format_checker}
    kept |= {"registry": self._registry, "_resolver": self._resolver}
    return Validator(**(kept | changes))


Validator.evolve = _evolve
