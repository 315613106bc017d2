"""Every interface of the guest contract by its name, as the compiler hands it over."""

import typing
from typing import Any

import values
from componentize_py_types import Err
from wit_world.imports import (
    clients,
    config,
    context,
    http,
    invoicing,
    logging,
    metrics,
    scheduler,
    secrets,
    services,
    storage,
    storage_v2,
    ui_proxy,
    user,
    user_v2,
)

INTERFACES = {
    module.__name__.rpartition(".")[2].replace("_", "-"): module
    for module in (
        clients,
        config,
        context,
        http,
        invoicing,
        logging,
        metrics,
        scheduler,
        secrets,
        services,
        storage,
        storage_v2,
        ui_proxy,
        user,
        user_v2,
    )
}


def call(interface: str, function: str, arguments: list[Any]) -> dict[str, Any]:
    """Call a function of the host with arguments from JSON."""
    called = getattr(INTERFACES[interface], function.replace("-", "_"))
    hints = [hint for name, hint in typing.get_type_hints(called).items() if name != "return"]
    converted = [values.from_json(value, hint) for value, hint in zip(arguments, hints, strict=True)]
    try:
        return {"value": values.to_json(called(*converted))}
    except Err as error:
        return {"error": values.to_json(error.value)}
