"""The state of one execution: a call that was admitted, from then on until its answer."""

from dataclasses import dataclass
from typing import Self

from alga_ext.ids import new_execution_id
from functions.gateway.admission import AdmittedCall
from functions.gateway.envelope import time_limit_ms
from functions.gateway.services import Services


@dataclass(slots=True)
class Execution:
    """One execution of a call. It keeps its id and its deadline when it is sent to the runner again.

    Attributes:
        execution_id: the id in its records.
        limit_ms: the time limit of the call, in milliseconds.
        deadline_s: when that time ends, on the gateway's monotonic clock, in seconds. There is no other deadline: the
            guest's time limit, the wait for the runner, retries and pauses all get what is left until then.
        attempts: how often it was sent to the runner.
        may_have_run: whether an attempt may have run something.
    """

    execution_id: str
    limit_ms: int
    deadline_s: float
    attempts: int = 0
    may_have_run: bool = False

    @classmethod
    def begin(cls, call: AdmittedCall, services: Services) -> Self:
        """Return the execution of a call that has just been admitted."""
        limit_ms = time_limit_ms(call.install, services.settings.ext_gateway_timeout_ms)
        return cls(new_execution_id(services.now()), limit_ms, services.monotonic_s() + limit_ms / 1000)
