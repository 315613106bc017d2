"""The sandbox child's main: read the configuration, confine, say Ready, then serve calls until the parent is gone.

Started as a clean interpreter by ``process`` with an empty environment and one open descriptor. It imports no
``alga_ext``, holds no credentials, and reaches the world only through its parent.
"""

import gc
import os
import sys

from functions.runner.sandbox.child.guest import Sandbox
from functions.runner.sandbox.child.measure import Meter
from functions.runner.sandbox.confinement.confine import confine
from functions.runner.sandbox.protocol import abi
from functions.runner.sandbox.protocol.channel import Channel, Closed
from functions.runner.sandbox.protocol.messages import TO_CHILD, Configure, Ready, Run, Warm


def main() -> None:
    """Serve the parent on the descriptor named by the last argument."""
    os.environ.clear()
    channel = Channel(int(sys.argv[-1]))
    engine = abi.make_engine()
    meter = Meter()
    configure = TO_CHILD.decode(channel.receive())
    if not isinstance(configure, Configure):
        sys.exit("the first message must configure")
    report = confine(configure.data_limit_bytes, configure.read_only_paths)
    sandbox = Sandbox(engine, channel, configure.component_budget_bytes, meter)
    gc.freeze()
    gc.disable()  # cycles are not made on the path of a call; a pause of the collector would be on its time
    if not meter.complete:
        report.missing.append("memory_figures: /proc/self cannot be read")
    channel.send(Ready(report.applied, report.missing))
    try:
        while True:
            message = TO_CHILD.decode(channel.receive())
            if not isinstance(message, Run | Warm):
                sys.exit("a call was expected")
            sandbox.serve(message)
            del message
    except Closed:
        return
