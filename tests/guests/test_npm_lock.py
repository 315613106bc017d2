"""The npm lock must install on any machine, from whichever registry it is set to."""

import json
import re

from tools.guests.places import NPM_LOCK, ROOT


def test_the_lock_names_no_registry_and_checks_every_package() -> None:
    packages = json.loads(NPM_LOCK.read_text())["packages"]
    # The packages of web/ are links into this repository; their `resolved` is a folder, not an address.
    links = {name: entry["resolved"] for name, entry in packages.items() if entry.get("link")}
    assert set(links.values()) == {path.parent.relative_to(ROOT).as_posix() for path in ROOT.glob("web/*/package.json")}
    ours = {"", *links, *links.values()}
    fetched = {name: entry for name, entry in packages.items() if name not in ours}
    assert [name for name, entry in fetched.items() if "resolved" in entry] == []
    assert [name for name, entry in fetched.items() if not entry["integrity"].startswith("sha512-")] == []


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
