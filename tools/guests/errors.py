"""The error of building a guest."""


class GuestBuildError(Exception):
    """An extension could not be built; the message names the step and has the tool's output."""
