"""Build extensions from source, without a network; unchanged sources are not built again.

``build_component`` builds the component of the server handlers, ``build_ui`` the UI folder, ``build_extension`` the
whole tree that is packed into a bundle, ``build_host_page`` the page that takes the place of the host application.
Results are cached below ``.build/`` by the hash of all their inputs: sources, the guest contract, the runtime packages,
the locked versions of the tools. ``python -m tools.guests samples/hello-js`` does the same from a shell.
"""

from tools.guests.build import build_component, build_extension, build_ui
from tools.guests.errors import GuestBuildError
from tools.guests.host_page import build_host_page
from tools.guests.recipe import ENGINES, Engine

__all__ = ["ENGINES", "Engine", "GuestBuildError", "build_component", "build_extension", "build_host_page", "build_ui"]
