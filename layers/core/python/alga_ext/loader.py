"""What the interpreter of a confined process needs to start."""

import os


def loader_environment() -> dict[str, str]:
    """Return what the interpreter of a confined process may need to start at all, and nothing else.

    In AWS Lambda, the loader finds the interpreter's own library through ``LD_LIBRARY_PATH`` only. The confined process
    clears its environment once it runs.
    """
    return {name: value for name, value in os.environ.items() if name == "LD_LIBRARY_PATH"}
