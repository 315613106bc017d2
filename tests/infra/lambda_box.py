"""Lambda's execution environment, as far as it can be had without AWS: its paths, its Python and its runtime client.

A function runs in a mount namespace of its own. Its asset is at /var/task, its layers are at /opt, the interpreter at
/var/lang and the runtime client at /var/runtime, all of them read-only as the rest of the root file system. /tmp can be
written, and is empty at the start. The interpreter finds its library only through ``LD_LIBRARY_PATH``, as in Lambda.
"""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Final

from tests.support.places import ROOT
from tools.assets.layers import install, locked
from tools.assets.runtime import program
from tools.local.lambda_types import FunctionSpec
from tools.local.processes import Child, start_program
from tools.local.runtime_api import lambda_environment
from topology.functions import FUNCTIONS
from topology.runtime import CODE_FOLDER, LAYERS_FOLDER, PYTHON_VERSION

LIBRARY_PATH: Final = f"/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:{CODE_FOLDER}:{LAYERS_FOLDER}/lib"
IMPORT_PATH: Final = f"{CODE_FOLDER}:{LAYERS_FOLDER}/python:/var/runtime"
INTERPRETER: Final = f"/var/lang/bin/python{PYTHON_VERSION}"
_RUNTIME_CLIENT: Final = ("awslambdaric", "simplejson", "snapshot-restore-py")

_ENTER: Final = """
set -e
box=$1 lang=$2 function=$3 interpreter=$4; shift 4
mount --make-rprivate /
mount -t tmpfs box /mnt
mkdir -p /mnt/task /mnt/runtime /mnt/lang/bin /mnt/lang/lib
cp "$box/python" "/mnt/lang/bin/${interpreter##*/}"
mount --bind "$box/dist/functions/$function" /mnt/task
mount --bind "$box/runtime" /mnt/runtime
mount --bind "$lang/lib" /mnt/lang/lib
mount --bind "$box/opt/$function" /opt
mount --rbind /mnt /var
for place in / /opt /var /var/task /var/runtime /var/lang/lib /dev/shm; do mount -o remount,bind,ro "$place"; done
mount -t tmpfs -o mode=1777,size=512m tmp /tmp
cd /var/task
exec "$@"
"""
"""Arranges a function's paths in a fresh mount namespace, then runs a command there."""


@cache
def _may_mount() -> bool:
    """Whether this account may mount without an own user namespace."""
    return subprocess.run(["/usr/bin/unshare", "--mount", "true"], capture_output=True, check=False).returncode == 0


class LambdaBox:
    """Starts functions from their assets.

    Args:
        dist: what ``make build`` made.
        runtime: the runtime's Python.
        folder: an empty folder, which must be on the file system of ``dist``.
    """

    def __init__(self, dist: Path, runtime: Path, folder: Path) -> None:
        self._folder = folder
        self._lang = runtime.parents[1]
        (folder / "dist").symlink_to(dist)
        shutil.copy(runtime, folder / "python")
        subprocess.run([program("patchelf") or "patchelf", "--remove-rpath", folder / "python"], check=True)
        client = locked(ROOT / "requirements/dev.txt")
        install({name: client[name] for name in _RUNTIME_CLIENT}, folder / "runtime")
        for function in FUNCTIONS:
            for layer in function.layers:
                source, target = dist / "layers" / layer.name, folder / "opt" / function.name
                shutil.copytree(source, target, copy_function=os.link, dirs_exist_ok=True)

    def command(self, function: str, *command: str) -> list[str]:
        """Return the command that runs ``command`` in the environment of a function."""
        own_users = [] if _may_mount() else ["--user", "--map-root-user"]
        enter = ["sh", "-c", _ENTER, "sh", str(self._folder), str(self._lang), function, INTERPRETER]
        return ["/usr/bin/unshare", "--mount", *own_users, *enter, *command]

    async def start(self, spec: FunctionSpec, runtime_api: str, _scratch: Path, log: Path) -> Child:
        """Start a function's process under the runtime client. It ends with this process."""
        program, *arguments = self.command(spec.name, INTERPRETER, "-m", "awslambdaric", spec.handler)
        environment = lambda_environment(spec, runtime_api, Path("/tmp"))
        environment |= {
            "LAMBDA_TASK_ROOT": CODE_FOLDER,
            "LAMBDA_RUNTIME_DIR": "/var/runtime",
            "LD_LIBRARY_PATH": LIBRARY_PATH,
            "PYTHONPATH": IMPORT_PATH,
        }
        for name in ("EXPLAIN_FAILURES", "TMPDIR"):  # only a local platform gives them
            environment.pop(name, None)
        if bundle := environment.get("SIGNING_TRUST_BUNDLE"):  # its file may be below the /tmp that is hidden
            environment["SIGNING_TRUST_BUNDLE"] = Path(bundle).read_text(encoding="utf-8")
        return await start_program(Path(program), arguments, environment=environment, folder=ROOT, log=log)
