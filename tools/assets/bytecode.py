"""Compile what an asset contains to bytecode that Lambda uses as it is.

Lambda unpacks assets with modification times that differ from the sources', onto a read-only disk. Bytecode that is
checked against a source's time would be compiled anew at every cold start, which costs half a second or more.
"""

import subprocess
from pathlib import Path

from tools.assets.layers import BuildError


def compile_folder(python: Path, folder: Path, mounted_at: str) -> None:
    """Write the bytecode of all modules below ``folder``; tracebacks show their paths below ``mounted_at``.

    Raises:
        BuildError: a module does not compile.
    """
    command = [str(python), "-I", "-m", "compileall", "-q", "-j0", "--invalidation-mode", "unchecked-hash"]
    command += ["-s", str(folder), "-p", mounted_at, str(folder)]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        message = f"{folder.name} does not compile:\n{ran.stdout.strip()}{ran.stderr.strip()}"
        raise BuildError(message)
