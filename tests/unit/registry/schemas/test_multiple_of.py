"""``multipleOf`` is decided by the numbers as they are written, not by their binary fractions."""

import json
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from functions.registry.schemas.config_schema import check_schema, first_fault


def fits(divisor: str, number: str) -> bool:
    schema = json.loads(f'{{"type": "object", "properties": {{"n": {{"multipleOf": {divisor}}}}}}}')
    check_schema(schema)
    return first_fault(schema, json.loads(f'{{"n": {number}}}')) is None


@pytest.mark.parametrize(
    "number", ["19.99", "0.07", "4.35", "0", "-19.99", "1e-2", "1E2", "100", "9007199254740993", "0.010"]
)
def test_an_amount_in_cents_is_a_multiple_of_a_hundredth(number: str) -> None:
    assert fits("0.01", number)


@pytest.mark.parametrize("number", ["19.999", "0.001", "0.005", "1e-3", "-0.015", "4.3500001"])
def test_a_part_of_a_cent_is_not(number: str) -> None:
    assert not fits("0.01", number)


@pytest.mark.parametrize(
    ("divisor", "number", "expected"),
    [
        ("5", "10", True), ("5", "11", False), ("0.1", "0.3", True), ("2.5", "7.5", True), ("1e-300", "1e300", True),
        ("1e300", "1e-300", False), ("0.3", "1e308", False), ("3", "9007199254740993", True), ("1.1", "2.2", True),
        ("0.01", "true", True), ("0.01", '"19.999"', True),
    ],
)  # fmt: skip
def test_numbers_of_every_size_are_decided_exactly(divisor: str, number: str, expected: bool) -> None:
    assert fits(divisor, number) is expected


@given(st.integers(-(10**9), 10**9), st.integers(1, 10**4), st.integers(0, 6))
@settings(derandomize=True, max_examples=200, deadline=None)
def test_the_product_of_a_whole_number_and_a_decimal_is_a_multiple_of_it(times: int, digits: int, places: int) -> None:
    divisor = Decimal(digits).scaleb(-places)
    assert fits(format(divisor, "f"), format(times * divisor, "f"))
