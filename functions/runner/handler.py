"""The runner's Lambda entry point. Trigger: Invoke with a tenant, whose payload is an API Gateway v2 event.

``POST /v1/execute`` runs a guest, ``POST /warmup`` loads one, ``GET /healthz`` tells whether calls can be served. What
it does is in ``runner.py``.
"""

import gc

# Imports make few cycles and many objects: collecting meanwhile would be a tenth of the start.
gc.disable()

# The sandbox starts first and gets ready while everything else is imported.
from functions.runner.sandboxes.child_process import Child  # noqa: E402 - see above

_FIRST_CHILD = Child()

from typing import Any  # noqa: E402 - see above

from alga_ext.settings import environment  # noqa: E402 - see above
from functions.runner.runner import Runner  # noqa: E402 - see above
from functions.runner.services import Services  # noqa: E402 - see above

_RUNNER = Runner(Services.build(environment(), _FIRST_CHILD))
gc.freeze()  # what is here by now stays, and need not be looked at again
gc.enable()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Answer one API Gateway v2 event."""
    return _RUNNER.answer(event)
