"""What goes wrong when a guest is built."""


class GuestBuildError(Exception):
    """An extension could not be built; the message names the step and carries the tool's own output."""
