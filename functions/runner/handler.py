"""The runner's Lambda entry point. Trigger: a direct Invoke for one tenant; the payload is an API Gateway v2 event.

``POST /v1/execute`` runs a guest. ``POST /warmup`` loads a program without calling it. ``GET /healthz`` reports whether
calls can be served. The work is done in ``runner.py``.
"""

import gc

# Imports create many objects and few reference cycles. Garbage collection during them would take a tenth of the start.
gc.disable()

# Start the sandbox process first: it gets ready while everything else is imported.
from functions.runner.sandboxes.process_start import start_process  # noqa: E402 - see above

_FIRST_PROCESS = start_process()

from collections.abc import Mapping  # noqa: E402 - see above
from typing import Any  # noqa: E402 - see above

from alga_ext.settings import environment  # noqa: E402 - see above
from alga_ext.stores.refreshed import Refreshed  # noqa: E402 - see above
from functions.runner.runner import Runner  # noqa: E402 - see above
from functions.runner.sandboxes.child_process import Child  # noqa: E402 - see above
from functions.runner.services import Services  # noqa: E402 - see above


def _build(environ: Mapping[str, str], previous: Runner | None) -> Runner:
    """Build the runner.

    One that replaces another has no sandbox yet. It still refuses the tokens that were used, and trust bundles that are
    older than those that were read.
    """
    if previous is None:
        return Runner(Services.build(environ, Child(_FIRST_PROCESS)))
    return Runner(Services.build(environ, earlier=previous.trust), previous.used_tokens)


_RUNNER = Refreshed("runner", environment(), _build, Runner.close)
gc.freeze()  # these objects live as long as the process, so the collector need not scan them
gc.enable()


def handler(event: dict[str, Any], context: object) -> dict[str, Any]:  # noqa: ARG001 - Lambda's signature
    """Answer one API Gateway v2 event."""
    return _RUNNER.current().answer(event)
