"""What the caller is told of a failure: whose fault it is, and nothing about the platform's parts."""

import pytest

from alga_ext.errors import CODES, PlatformError
from functions.gateway.refusals import outward

STORES = {"database_unavailable", "queue_unavailable", "object_store_unavailable"}
UNUSABLE = {"response_too_large", "config_invalid"}


@pytest.mark.parametrize("code", sorted(STORES))
def test_a_store_that_cannot_be_reached_refuses_the_call(code: str) -> None:
    shown = outward(PlatformError(code, "The detail.", retry_after_s=7))

    assert (shown.code, shown.status, shown.retry_after_s) == ("policy_unavailable", 503, 7)
    assert "The detail." not in shown.detail


def test_a_statement_that_the_database_refuses_refuses_the_call() -> None:
    shown = outward(PlatformError("internal", "The detail.", sqlstate="42501"))

    assert (shown.code, shown.status, shown.retry_after_s) == ("policy_unavailable", 503, 5)


@pytest.mark.parametrize("code", sorted(UNUSABLE))
def test_an_answer_or_configuration_that_cannot_be_used_is_a_bad_gateway(code: str) -> None:
    shown = outward(PlatformError(code, "The detail."))

    assert (shown.code, shown.status, shown.detail) == ("bad_gateway", 502, f"The detail. ({code})")


@pytest.mark.parametrize("code", sorted(CODES.keys() - STORES - UNUSABLE))
def test_any_other_error_is_shown_as_it_is(code: str) -> None:
    error = PlatformError(code, "The detail.")

    assert outward(error) is error
