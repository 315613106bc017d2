"""The runner. Trigger: Lambda Invoke with a tenant, whose payload is an API Gateway v2 event.

``POST /v1/execute`` runs a guest, ``POST /warmup`` loads one, ``GET /healthz`` says how things are.
"""

import gc

# Imports make few cycles and many objects: collecting meanwhile would be a tenth of the start.
gc.disable()

# The sandbox starts first and gets ready while everything else is imported.
from functions.runner.sandboxes.child_process import Child  # noqa: E402 - see above

_FIRST_CHILD = Child()

from typing import Any  # noqa: E402 - see above

from functions.runner import compose  # noqa: E402 - see above

_DOOR = compose.door(_FIRST_CHILD)
gc.freeze()  # what is here by now stays, and need not be looked at again
gc.enable()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Lambda entry point."""
    return _DOOR.answer(event)
