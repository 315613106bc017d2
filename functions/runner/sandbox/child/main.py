"""The sandbox child's main: read the configuration, confine itself, send Ready, serve calls until the parent ends.

The confinement has two stages. A spare may still open files below the artifact folder. The first call loads its
program, and then gives that up too, before any of the program's code runs (``confine.seal``).

``sandboxes.child_process`` starts it as a clean interpreter with an empty environment and one open descriptor. It
imports nothing of ``alga_ext`` but ``confinement``, has no credentials, and can reach other systems only through its
parent.
"""

import gc
import os
import sys
from functools import partial

from alga_ext.confinement.confine import confine, seal
from functions.runner.sandbox.child.guest import Sandbox
from functions.runner.sandbox.child.measure import Meter
from functions.runner.sandbox.protocol import abi
from functions.runner.sandbox.protocol.channel import Channel, Closed
from functions.runner.sandbox.protocol.messages import TO_CHILD, Configure, Ready, Run, Warm


def main() -> None:
    """Serve the parent on the descriptor whose number is the last argument."""
    os.environ.clear()
    channel = Channel(int(sys.argv[-1]))
    engine = abi.make_engine()
    meter = Meter()
    configure = TO_CHILD.decode(channel.receive())
    if not isinstance(configure, Configure):
        sys.exit("the first message must be Configure")
    report = confine(configure.data_limit_bytes, configure.read_only_paths)
    sandbox = Sandbox(engine, channel, meter, partial(seal, report))
    gc.freeze()
    gc.disable()  # calls create no reference cycles, and a pause of the collector would lengthen a call
    if not meter.complete:
        report.missing.append("memory_figures: /proc/self cannot be read")
    channel.send(Ready(report.applied, report.missing))
    try:
        while True:
            message = TO_CHILD.decode(channel.receive())
            if not isinstance(message, Run | Warm):
                sys.exit("expected the message Run or Warm")
            sandbox.serve(message)
            del message
    except Closed:
        return
