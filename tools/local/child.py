"""First code of every process the local platform starts: bind its life to the platform's, then become the program.

Usage: `python -m tools.local.child PARENT_PID SIGNAL UID:GID module NAME [ARG…]` runs a Python module in this process;
`… program PATH [ARG…]` replaces the process. With `-` for UID:GID the account stays; another account is taken here and
not before, because the interpreter may lie where only the platform's own account may look.

On Linux the kernel sends SIGNAL when the platform dies, however it dies, kill -9 included. Elsewhere only an orderly
stop ends the children.
"""

import ctypes
import os
import runpy
import signal
import sys

PR_SET_PDEATHSIG = 1  # from linux/prctl.h


def bind_to_parent(parent_pid: int, death_signal: int) -> None:
    """Ask the kernel to send `death_signal` to this process when its parent ends; exit if it already has."""
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, death_signal, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent_pid:  # the parent ended before the request was in force
        os.kill(os.getpid(), signal.SIGKILL)


def take_account(uid: int, gid: int) -> None:
    """Become another account for good; root only."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main(arguments: list[str]) -> None:
    """Bind and become; does not return for a program."""
    parent_pid, death_signal, account, kind, target, *rest = arguments
    if account != "-":
        uid, gid = account.split(":")
        take_account(int(uid), int(gid))
    # After the change of account, which clears the request.
    bind_to_parent(int(parent_pid), signal.Signals[death_signal])
    if kind == "program":
        os.execv(target, [target, *rest])  # noqa: S606 - the caller names the program by absolute path
    sys.argv = [target, *rest]
    runpy.run_module(target, run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main(sys.argv[1:])
