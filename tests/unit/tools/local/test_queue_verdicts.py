"""Which messages of a batch are tried again."""

import json

import pytest

from tools.local.lambda_types import Outcome
from tools.local.queues import failed_ids

SENT = {"a", "b", "c"}


@pytest.mark.parametrize(
    ("answer", "failed"),
    [
        (None, set()),
        ({}, set()),
        ({"batchItemFailures": []}, set()),
        ({"batchItemFailures": None}, set()),
        ({"batchItemFailures": [{"itemIdentifier": "b"}]}, {"b"}),
        ({"batchItemFailures": [{"itemIdentifier": "elsewhere"}]}, SENT),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, SENT),
        ({"batchItemFailures": [{}]}, SENT),
        ({"batchItemFailures": ["b"]}, SENT),
    ],
)
def test_the_answer_says_which(answer: object, failed: set[str]) -> None:
    assert failed_ids(Outcome(json.dumps(answer).encode()), SENT) == failed


def test_a_function_error_or_nonsense_keeps_all() -> None:
    assert failed_ids(Outcome(b"{}", "Unhandled"), SENT) == SENT
    assert failed_ids(Outcome(b"not json"), SENT) == SENT
