"""The destinations of one call's requests, as they travel from the runner to the record: names and limits (pure)."""

from typing import Final

OTHER: Final = "(other)"
"""The name of all destinations together that are not named. No host has it."""
NAMED_LIMIT: Final = 50
"""How many destinations of requests are named of a call: those with the most requests."""
NAMED_REFUSED_LIMIT: Final = 20
"""How many destinations are named of a call that had refused requests only."""
TOTALS_LIMIT: Final = NAMED_LIMIT + NAMED_REFUSED_LIMIT + 1

DESTINATION_PATTERN: Final = (
    r"\A(?:\(other\)|(?:http://)?(?:[a-z0-9_.-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[1-9][0-9]{0,4})?)\Z"
)
"""``host[:port]``, after ``http://`` when it is not https, as a grant names it; or ``OTHER``."""
