"""First code of every process that the local platform starts: tie it to the platform's lifetime, then run the program.

Usage: `python -m tools.local.child PARENT_PID SIGNAL UID:GID module NAME [ARG…]` runs a Python module in this process;
`… program PATH [ARG…]` replaces the process. With `-` for UID:GID the account does not change. The account is changed
here and not earlier, because the interpreter may be in a folder that only the platform's own account can read.

On Linux the kernel sends SIGNAL when the platform ends in any way, including kill -9. On other systems only an orderly
stop ends the children.
"""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1  # from linux/prctl.h


def bind_to_parent(parent_pid: int, death_signal: int) -> None:
    """Ask the kernel to send `death_signal` to this process when its parent ends; exit if it has already ended."""
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:  # the parent ended before the request was in force
        os.kill(os.getpid(), signal.SIGKILL)


def take_account(uid: int, gid: int) -> None:
    """Change to another account permanently; only root can."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main(arguments: list[str]) -> None:
    """Change the account, tie this process to its parent, run the target. Does not return for a program."""
    parent_pid, death_signal, account, kind, target, *rest = arguments
    if account != "-":
        uid, gid = account.split(":")
        take_account(int(uid), int(gid))
    # After the change of account, because that change clears the request.
    bind_to_parent(int(parent_pid), signal.Signals[death_signal])
    if kind == "program":
        os.execv(target, [target, *rest])  # noqa: S606 - the caller names the program by absolute path
    sys.argv = [target, *rest]
    runpy.run_module(target, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
