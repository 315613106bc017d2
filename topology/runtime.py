"""The Lambda runtime of all functions."""

from typing import Final

PYTHON_VERSION: Final = "3.13"
"""The runtime is ``python3.13``. The assets contain its bytecode and compiled packages for it."""

ARCHITECTURE: Final = "x86_64"
"""Programs of extensions are compiled for it, so runner and prepare must have the same one."""

PLATFORM: Final = "x86_64-manylinux_2_34"
"""Which compiled packages run there, in uv's words. The runtime is Amazon Linux 2023, which has glibc 2.34."""

CODE_FOLDER: Final = "/var/task"
"""Where Lambda puts a function's own code. It is read-only."""

LAYERS_FOLDER: Final = "/opt"
"""Where Lambda puts the contents of all layers, one over the other. ``/opt/python`` is on the import path."""

RDS_ROOTS_FOLDER: Final = f"{LAYERS_FOLDER}/rds"
"""Where the layer `core` has ``REGION.pem``, the roots of Amazon RDS in a region, for ``sslrootcert``."""
