"""The state of one execution: a call that was admitted, from then on until its answer."""

from dataclasses import dataclass
from typing import Final, Self

from alga_ext.ids import new_execution_id
from functions.gateway.admission import AdmittedCall
from functions.gateway.envelope import time_limit_ms
from functions.gateway.services import CallServices

_ANSWER_BY_S: Final = 29.5
"""API Gateway and the gateway's own time limit end a call after 30 s. Before that, its finished record must be sent."""


@dataclass(slots=True)
class Execution:
    """One execution of a call. It keeps its id and its deadline when it is sent to the runner again.

    Attributes:
        execution_id: the id in its records.
        limit_ms: the time limit of the call, in milliseconds.
        deadline_s: when that time ends, on the gateway's monotonic clock, in seconds. There is no other deadline: the
            guest's time limit, the wait for the runner, retries and pauses all get what is left until then.
        answer_by_s: how many seconds after its beginning the call must have its answer: soon after that, whoever waits
            for it ends it.
        attempts: how often it was sent to the runner.
        may_have_run: whether an attempt may have run something.
    """

    execution_id: str
    limit_ms: int
    deadline_s: float
    answer_by_s: float
    attempts: int = 0
    may_have_run: bool = False

    @classmethod
    def begin(cls, call: AdmittedCall, services: CallServices) -> Self:
        """Return the execution of a user's call that has just been admitted."""
        limit_ms = time_limit_ms(call.install, services.default_timeout_ms)
        deadline_s = services.monotonic_s() + limit_ms / 1000
        return cls(new_execution_id(services.now()), limit_ms, deadline_s, _ANSWER_BY_S)
