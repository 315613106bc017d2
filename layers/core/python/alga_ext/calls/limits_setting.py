"""The setting ``DEFAULT_LIMITS``, which gateway, registry and recorder share."""

from typing import Annotated

from alga_ext.calls.limits import parse_defaults
from alga_ext.settings import Check, Form

DefaultLimits = Annotated[
    str, Check(parse_defaults), Form('JSON such as {"install": {"quotas": {"day": {"calls": {"hard": 10000}}}}}')
]
