"""Other programs in the place of a confined process."""

from collections.abc import Sequence


def with_script(command: Sequence[str], script: str) -> list[str]:
    """Return the command that starts a confined process, changed to run ``script`` with the same arguments."""
    place = command.index("-c") + 1
    return [*command[:place], script, *command[place + 1 :]]
