"""The CLI as a user meets it: answers, refusals that say how to mend, exit codes."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from wasmtime import wat2wasm

from tests.support.site import CLAIMS, Site
from tests.support.wat import guest
from tools.local.state import ROOT

ALGA_EXT = str(Path(sys.executable).with_name("alga-ext"))
NOTHING = guest("(call $respond (i32.const 200) (i32.const 0) (i32.const 2))", data='(data (i32.const 0) "hi")')


class Shell:
    """Runs commands in a folder, with the token of a role in the environment."""

    def __init__(self, folder: Path, site: Site) -> None:
        self.folder = folder
        self._site = site

    def __call__(self, *arguments: str, role: str | None = None, **more: str) -> subprocess.CompletedProcess[str]:
        environment = {**os.environ, "ALGA_URL": self._site.api, **more}
        environment.pop("ALGA_TOKEN", None)
        if role:
            environment["ALGA_TOKEN"] = self._site.platform.keys.token(CLAIMS[role])
        return subprocess.run(
            [ALGA_EXT, *arguments], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )

    def json(self, *arguments: str, role: str | None = None) -> Any:
        done = self(*arguments, "--json", role=role)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def shell(site: Site, tmp_path: Path) -> Shell:
    return Shell(tmp_path, site)


def test_from_a_key_to_a_call(shell: Shell, site: Site) -> None:
    site.pack(NOTHING, shell.folder)  # writes tree/
    publisher = f"p{os.urandom(4).hex()}"
    manifest = json.loads((shell.folder / "tree/manifest.json").read_text())
    (shell.folder / "tree/manifest.json").write_text(json.dumps({**manifest, "publisher": publisher}))

    key = shell.json("keygen", "my.pem")
    assert (shell.folder / "my.pem").stat().st_mode & 0o777 == 0o600
    shell.json("publisher", "create", publisher, role="operator")
    assert shell.json("publisher", "add-key", publisher, "my.pub.pem", role="operator")["key_id"] == key["key_id"]
    packed = shell.json("pack", "tree")
    shell.json("sign", "bundle.tar.zst", "--key", "my.pem")
    assert shell.json("verify", "bundle.tar.zst", "--key", "my.pub.pem")["publisher"] == publisher
    version = shell.json("publish", "bundle.tar.zst", role="operator")
    assert (version["state"], version["content_hash"]) == ("ready", packed["content_hash"])
    install = shell.json("install", manifest["name"], "--grant-asked", role="acme")

    called = shell("call", install["install_id"], "/run", role="acme")

    assert (called.returncode, called.stdout) == (0, "hi\n")
    assert shell.json("call", f"{publisher}.{manifest['name']}", "/run", role="acme")["status"] == 200

    revoke = (
        "publisher",
        "revoke-key",
        publisher,
        key["key_id"],
        "--reason",
        "stolen",
        "--from",
        "2020-01-01T00:00:00Z",
    )
    shown = shell(*revoke, role="operator")
    assert f"would stop {manifest['name']} {version['version']}: 1 installs" in shown.stdout
    assert "nothing was changed" in shown.stdout
    assert shell("call", install["install_id"], "/run", role="acme").returncode == 0
    assert shell.json(*revoke, "--yes", role="operator")["stopped"][0]["version_id"] == version["version_id"]

    # The gateway keeps an install for two seconds, so calls right after the revocation may still run.
    attempts = 0
    while shell("call", install["install_id"], "/run", role="acme").returncode != 1:
        attempts += 1
        assert attempts < 60
        time.sleep(0.5)


def test_a_refusal_names_its_code_and_ends_with_1(shell: Shell, hello: str) -> None:
    refused = shell("call", hello, "/run", role="globex")

    assert refused.returncode == 1
    assert refused.stdout == ""
    assert "not_installed" in refused.stderr
    assert "request id" in refused.stderr


def test_a_bundle_signed_for_other_bytes_does_not_verify(shell: Shell, site: Site) -> None:
    site.pack(NOTHING, shell.folder)
    shell.json("keygen", "my.pem")
    shell.json("sign", "bundle.tar.zst", "--key", "my.pem")
    site.pack(NOTHING, shell.folder)  # another name, so other bytes

    refused = shell("verify", "bundle.tar.zst", "--key", "my.pub.pem")

    assert refused.returncode == 1
    assert "bundle_hash_mismatch" in refused.stderr


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("install",), 2, "Missing argument"),
        (("nonsense",), 2, "No such command"),
        (("pack", "nowhere"), 2, "does not exist"),
        (("sign", "bundle.tar.zst", "--key", "none.pem"), 2, "does not exist"),
        (("publish", "some.file"), 1, "bundle_invalid"),
        (("publisher", "create", "x"), 1, "no token was given"),
        (("install", "x.y", "--config", "novalue", "--token-file", "t"), 1, "NAME=VALUE"),
        (("install", "x.y", "--config-file", "some.file", "--token-file", "t"), 1, "is not JSON"),
        (("call", "x.y", "/run", "--token-file", "missing"), 1, "missing: No such file"),
    ],
)
def test_what_is_wrong_and_how_to_mend_it(shell: Shell, arguments: tuple[str, ...], status: int, said: str) -> None:
    (shell.folder / "some.file").write_text("not json")
    (shell.folder / "t").write_text("token\n")

    done = shell(*arguments)

    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


def test_pack_says_each_reason_for_which_the_version_would_be_rejected(shell: Shell, site: Site) -> None:
    site.pack(NOTHING, shell.folder)
    (shell.folder / "tree/dist/main.wasm").write_bytes(wat2wasm('(component (import "system" (func)))'))

    refused = shell("pack", "tree")

    assert refused.returncode == 1
    assert refused.stderr.count("component_world_mismatch") == 2
    assert "imports 'system'" in refused.stderr
    assert "does not export the function 'handler'" in refused.stderr
    assert refused.stdout == ""


def test_no_platform_is_said_so(shell: Shell) -> None:
    done = shell("call", "x.y", "/run", ALGA_URL="http://127.0.0.1:9")

    assert done.returncode == 1
    assert "is the platform running?" in done.stderr


def test_a_key_is_never_overwritten(shell: Shell) -> None:
    shell.json("keygen", "my.pem")
    before = (shell.folder / "my.pem").read_text()

    again = shell("keygen", "my.pem")

    assert again.returncode == 1
    assert (shell.folder / "my.pem").read_text() == before


def test_no_option_takes_a_secret() -> None:
    commands = ["publish", "install", "call", "token", "sign", "dev", "publisher create", "publisher add-key"]
    for command in commands:
        shown = subprocess.run(
            [ALGA_EXT, *command.split(), "--help"], cwd=ROOT, capture_output=True, text=True, check=True
        ).stdout
        options = {word for word in shown.replace("│", " ").split() if word.startswith("--")}
        assert not options & {"--token", "--password", "--private-key", "--key-pem"}, command
