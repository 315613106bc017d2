"""Show values of a template as text (pure)."""

from typing import Any


def shown(value: Any) -> str:
    """Return a resolved value as cdk-nag shows it, with references in angle brackets (``<LogicalId.Arn>``).

    Raises:
        ValueError: it contains another function than ``Ref``, ``Fn::GetAtt``, ``Fn::Join`` or ``Fn::Sub``.
    """
    if isinstance(value, str):
        return value
    [(function, argument)] = value.items()
    match function:
        case "Ref":
            return f"<{argument}>"
        case "Fn::GetAtt":
            return f"<{'.'.join(argument)}>"
        case "Fn::Join":
            separator, parts = argument
            return str(separator).join(map(shown, parts))
        case "Fn::Sub":
            return str(argument)
        case _:
            message = f"{function} cannot be shown"
            raise ValueError(message)
