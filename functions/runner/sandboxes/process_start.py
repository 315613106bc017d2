"""Start the process of a sandbox.

The runner does this before it imports anything else, so that the sandbox gets ready meanwhile. So this module imports
little.
"""

import resource
import socket
import subprocess
from typing import NamedTuple

from alga_ext.loader import loader_environment
from functions.runner.sandboxes.interpreter import interpreter


class StartedProcess(NamedTuple):
    """A sandbox's process, which waits for its configuration.

    Attributes:
        process: the process.
        descriptor: our end of its channel.
        least_peak_bytes: the kernel includes this process's peak memory in the child's, from the time before its exec.
    """

    process: "subprocess.Popen[bytes]"
    descriptor: int
    least_peak_bytes: int


def start_process() -> StartedProcess:
    """Start a process and return immediately.

    Raises:
        OSError: it cannot be started.
    """
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    try:
        process = subprocess.Popen(  # noqa: S603 - the platform's own interpreter and code
            interpreter("child.main", str(theirs.fileno())),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=loader_environment(),
            cwd="/",
            pass_fds=(theirs.fileno(),),
        )
    except BaseException:
        ours.close()
        raise
    finally:
        theirs.close()
    least_peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return StartedProcess(process, ours.detach(), least_peak_bytes)
