"""Read the manifest, the component and the paths of a bundle. Its bytes are untrusted."""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import IO, Any, Final, NamedTuple

from alga_ext.bundles.archive import read_entries
from alga_ext.bundles.manifest import MANIFEST_NAME, Manifest, parse_manifest
from alga_ext.errors import PlatformError
from functions.registry.publishing.ui_types import misreading
from functions.registry.schemas import linear_patterns, pattern_cost

UI_PREFIX: Final = "ui/"
UI_FILE_LIMIT_BYTES: Final = 4 * 1024 * 1024
_UI_PATH: Final = re.compile(r"[A-Za-z0-9._~/-]+\Z")
"""The paths whose URL needs no escape. CloudFront signs its requests to the UI host, and the signature of a path with
``+`` or an escape can fail (https://github.com/aws-samples/image-optimization/issues/44)."""
COMPONENT_LIMIT_BYTES: Final = 64 * 1024 * 1024
"""A component is read into memory as a whole."""

MATCHING_STEPS_LIMIT: Final = 200_000_000
"""Positions of all asset patterns × bytes of all paths. 10⁸ steps take about a second."""


class BundleContents(NamedTuple):
    """The contents of a bundle: the manifest as parsed and as written, the component's bytes, and all paths, sorted."""

    manifest: Manifest
    manifest_bytes: bytes
    component: bytes | None
    paths: tuple[str, ...]


def read_contents(archive: IO[bytes], check_schema: Callable[[Mapping[str, Any]], None]) -> BundleContents:
    """Read a bundle and check that it contains what its manifest names.

    Args:
        archive: the archive's bytes.
        check_schema: checks the manifest's ``config``, see ``config_schema.check_schema``.

    Raises:
        PlatformError: what ``alga_ext.bundles.archive``, ``alga_ext.bundles.manifest`` and ``check_schema`` raise;
            ``bundle_too_large`` for a component over ``COMPONENT_LIMIT_BYTES``, for a UI file over
            ``UI_FILE_LIMIT_BYTES``, and when matching the asset patterns would take more than
            ``MATCHING_STEPS_LIMIT`` steps; ``bundle_incomplete`` when the manifest, the component, the UI entry, an
            icon, the SBOM or a precompiled file is missing, when the UI entry or an icon is not among the published
            files, or when an asset pattern matches no file; ``bundle_unsafe`` when the name of a published UI file has
            another character than ``A-Z a-z 0-9 . _ ~ -``; ``bundle_misread`` when browsers would misread it.
    """
    manifest_bytes = _manifest_bytes(archive)
    manifest = parse_manifest(manifest_bytes)
    if manifest.config is not None:
        check_schema(manifest.config)
    archive.seek(0)
    component: bytes | None = None
    paths: list[str] = []
    misread: dict[str, str] = {}

    def keep(path: str) -> bool:
        paths.append(path)
        return path == manifest.component_path or path.startswith(UI_PREFIX)

    for entry in read_entries(archive, keep=keep):
        if entry.path == manifest.component_path:
            if len(entry.data) > COMPONENT_LIMIT_BYTES:
                raise PlatformError(
                    "bundle_too_large",
                    f"The component {entry.path!r} is {len(entry.data)} bytes; at most {COMPONENT_LIMIT_BYTES} are "
                    "allowed.",
                )
            component = entry.data
        elif len(entry.data) > UI_FILE_LIMIT_BYTES:
            raise PlatformError(
                "bundle_too_large",
                f"The UI file {entry.path!r} is {len(entry.data)} bytes; at most {UI_FILE_LIMIT_BYTES} are allowed.",
            )
        elif (reason := misreading(entry.path, entry.data)) is not None:
            misread[entry.path] = reason
    contents = BundleContents(manifest, manifest_bytes, component, tuple(sorted(paths)))
    _check_matching_steps(manifest.assets, paths)
    _check_complete(contents)
    published = ui_paths(contents.paths, manifest)
    _check_ui_names(published)
    for path in published:
        if path in misread:
            raise PlatformError("bundle_misread", f"Browsers would misread the UI file {path!r}: {misread[path]}.")
    return contents


def ui_paths(contents_paths: tuple[str, ...], manifest: Manifest) -> list[str]:
    """Return the paths below ``ui/`` that the manifest's asset patterns publish, sorted."""
    if manifest.ui is None:
        return []
    published = [path for path in contents_paths if path.startswith(UI_PREFIX)]
    return [path for path in published if any(matches(path, pattern) for pattern in manifest.assets)]


def matches(path: str, pattern: str) -> bool:
    """Tell whether a glob matches.

    ``*`` and ``?`` match within one segment. A segment ``**`` matches any number of segments, including zero.
    """
    return linear_patterns.found(_expression(pattern), path + "/")


@lru_cache(maxsize=256)
def _expression(pattern: str) -> str:
    """Return the glob as a regular expression for paths in which every segment, also the last, ends with ``/``."""
    segments = [
        r"(?:[^/]+/)*" if part == "**" else re.escape(part).replace(r"\*", "[^/]*").replace(r"\?", "[^/]") + "/"
        for part in pattern.split("/")
    ]
    return rf"\A{''.join(segments)}\z"


def _check_matching_steps(patterns: Sequence[str], paths: Sequence[str]) -> None:
    positions = sum(pattern_cost.positions(_expression(pattern)) for pattern in patterns)
    size_bytes = sum(len(path.encode()) + 1 for path in paths)
    if positions * size_bytes > MATCHING_STEPS_LIMIT:
        raise PlatformError(
            "bundle_too_large",
            f"Matching the asset patterns ({positions} positions) with all paths ({size_bytes} bytes) takes "
            f"{positions * size_bytes} steps; at most {MATCHING_STEPS_LIMIT} are allowed. Use fewer patterns.",
        )


def _manifest_bytes(archive: IO[bytes]) -> bytes:
    found = [entry.data for entry in read_entries(archive, keep=lambda path: path == MANIFEST_NAME)]
    if not found:
        raise PlatformError("bundle_incomplete", f"The bundle has no {MANIFEST_NAME} in its top folder.")
    return found[0]


def _check_complete(contents: BundleContents) -> None:
    manifest, paths = contents.manifest, set(contents.paths)
    if manifest.runtime is not None and contents.component is None:
        raise _missing("component", manifest.entry)
    if manifest.ui is not None:
        if manifest.ui.entry not in paths:
            raise _missing("ui.entry", manifest.ui.entry)
        if manifest.ui.entry not in ui_paths(contents.paths, manifest):
            raise PlatformError(
                "bundle_incomplete",
                f"ui.entry {manifest.ui.entry!r} must lie below {UI_PREFIX!r} and match a pattern of 'assets'.",
            )
        for name, hook in manifest.ui.hooks.items():
            if hook.icon is not None:
                _check_icon(contents, f"ui.hooks.{name}.icon", hook.icon)
        for pattern in manifest.assets:
            if not any(matches(path, pattern) for path in paths):
                raise PlatformError("bundle_incomplete", f"assets: pattern {pattern!r} matches no file of the bundle.")
    if manifest.sbom is not None and manifest.sbom not in paths:
        raise _missing("sbom", manifest.sbom)
    for target, path in manifest.precompiled.items():
        if path not in paths:
            raise _missing(f"precompiled for {target}", path)


def _check_icon(contents: BundleContents, where: str, icon: str) -> None:
    if icon not in contents.paths:
        raise _missing(where, icon)
    if icon not in ui_paths(contents.paths, contents.manifest):
        raise PlatformError(
            "bundle_incomplete", f"{where} {icon!r} must lie below {UI_PREFIX!r} and match a pattern of 'assets'."
        )


def _check_ui_names(paths: Sequence[str]) -> None:
    for path in paths:
        if not _UI_PATH.match(path):
            raise PlatformError(
                "bundle_unsafe",
                f"The UI file {path!r} has a character in its name that is not allowed. Rename it: the names of UI "
                "files and their folders have letters (A-Z, a-z), digits and '.', '_', '~', '-' only.",
            )


def _missing(what: str, path: str) -> PlatformError:
    return PlatformError("bundle_incomplete", f"The manifest names {what} {path!r}, which is not in the bundle.")
