"""The settings class of each function, by the function's name in the topology."""

from typing import Final

from alga_ext.settings import Settings
from functions.gateway.settings import GatewaySettings, SmokeSettings
from functions.registry.settings import (
    AssetsSettings,
    MigrateSettings,
    RecorderSettings,
    RegistrySettings,
    SweeperSettings,
)
from functions.runner.settings import PrepareSettings, RunnerSettings
from functions.uihost.settings import UiHostSettings

SETTINGS: Final[dict[str, type[Settings]]] = {
    "gateway": GatewaySettings,
    "registry": RegistrySettings,
    "uihost": UiHostSettings,
    "runner": RunnerSettings,
    "prepare": PrepareSettings,
    "assets": AssetsSettings,
    "recorder": RecorderSettings,
    "sweeper": SweeperSettings,
    "migrate": MigrateSettings,
    "smoke": SmokeSettings,
}
