"""Build a function's own asset: the folder of ``functions/`` that contains its handler, and its data files."""

import shutil
from pathlib import Path

from tools.assets.layers import copy_modules
from topology.functions import Function


def build_function(function: Function, root: Path, target: Path) -> None:
    """Copy a function's code as Lambda mounts it.

    Args:
        function: from the topology.
        root: the repository.
        target: a folder that does not exist yet.
    """
    package, folder, *_ = function.handler.split(".")
    copy_modules(root / package / folder, target / package / folder)
    shutil.copyfile(root / package / "__init__.py", target / package / "__init__.py")
    for name, pattern in function.data_files:
        (target / name).mkdir()
        for path in sorted((root / name).glob(pattern)):
            shutil.copyfile(path, target / name / path.name)
