"""The npm lock must install on any machine, from whichever registry it is set to."""

import json
import re

from tools.guests.places import NPM_LOCK, ROOT


def test_the_lock_names_no_registry_and_checks_every_package() -> None:
    packages = json.loads(NPM_LOCK.read_text())["packages"]
    assert [name for name, entry in packages.items() if "resolved" in entry] == []
    assert [name for name, entry in packages.items() if name and not entry["integrity"].startswith("sha512-")] == []


def test_dependencies_are_pinned_exactly() -> None:
    manifest = json.loads((ROOT / "package.json").read_text())
    loose = {name: v for name, v in manifest["devDependencies"].items() if not re.fullmatch(r"\d+\.\d+\.\d+", v)}
    assert loose == {}


def test_the_platforms_people_work_on_can_build_guests() -> None:
    packages = json.loads(NPM_LOCK.read_text())["packages"]
    for platform in ("linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"):
        libc = "-gnu" if platform.startswith("linux") else ""
        assert f"node_modules/@esbuild/{platform}" in packages
        assert f"node_modules/@andreiltd/componentize-qjs-binding-{platform}{libc}" in packages
