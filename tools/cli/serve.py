"""Run the platform in the foreground: start it, install the samples, print the addresses, end on a signal."""

import asyncio
import signal
import tempfile
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from tools.cli.call_console import show_message
from tools.cli.output import answer, note, step
from tools.cli.pages import build_pages
from tools.cli.samples import TENANTS, TOKENS, TOPIC, build_samples, component_hashes, publish_samples
from tools.local.artifact_cache import cache_folder, keep_artifacts, restore_artifacts
from tools.local.keys import write_private
from tools.local.platform import Options, Platform
from tools.local.state import ROOT, run_folder

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def serve(options: Options, *, with_samples: bool) -> None:
    """Serve until a signal, then stop everything. Raises the errors of starting the platform."""
    asyncio.run(_serve(options, with_samples=with_samples))


async def _serve(options: Options, *, with_samples: bool) -> None:
    asked_to_stop = asyncio.Event()
    for number in SIGNALS:
        asyncio.get_running_loop().add_signal_handler(number, asked_to_stop.set)
    platform = Platform(options, step, show_message)
    try:
        if await _unless(asked_to_stop, _fill(platform, with_samples=with_samples)):
            await asked_to_stop.wait()
        note("\nstopping …")
    finally:
        await platform.stop()


async def _unless(asked_to_stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Do the work, or cancel it when asked to stop; return whether it was done. Raises the errors of the work."""
    job, stop = asyncio.create_task(work), asyncio.create_task(asked_to_stop.wait())
    await asyncio.wait({job, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if job.done():
        job.result()
        return True
    job.cancel()
    await asyncio.gather(job, return_exceptions=True)
    return False


async def _fill(platform: Platform, *, with_samples: bool) -> None:
    installs: list[dict[str, Any]] = []
    if with_samples:
        with tempfile.TemporaryDirectory(prefix="alga-samples-", ignore_cleanup_errors=True) as work:
            installs = await _start_with_samples(platform, Path(work))
    else:
        await platform.start()
    tokens = _write_tokens(platform, run_folder(platform.options.state) / "tokens")
    answer(_greeting(platform, tokens, installs))
    for function in ("gateway", "uihost", "recorder"):
        platform.functions.warm(function)
    platform.functions.warm("runner", TENANTS[0])
    if with_samples:
        kept = cache_folder(platform.options.state, platform.keys.artifact.key_id)
        components = await asyncio.to_thread(component_hashes, platform.addresses.api, platform.keys, installs)
        await asyncio.to_thread(keep_artifacts, platform.cloud, kept, components)


async def _start_with_samples(platform: Platform, work: Path) -> list[dict[str, Any]]:
    """Start the platform and build the samples at the same time, publish the samples, return their installs."""
    logs = ROOT / ".build" / "logs"
    building = asyncio.gather(build_samples(work, logs / "samples.log"), build_pages(logs / "pages.log"))
    try:
        await platform.start()
        for function in ("registry", "prepare", "assets"):
            platform.functions.warm(function)
        with step("Samples and pages built from source"):
            samples, _ = await building
    finally:
        building.cancel()
        await asyncio.gather(building, return_exceptions=True)
    with step("Samples published, prepared and installed for acme"):
        kept = cache_folder(platform.options.state, platform.keys.artifact.key_id)
        await asyncio.to_thread(restore_artifacts, platform.cloud, kept)
        return await publish_samples(platform.addresses.api, platform.keys, samples)


def _write_tokens(platform: Platform, folder: Path) -> Path:
    """Write one file for each role, and the file `env` to source: ALGA_URL and a variable for each token."""
    folder.mkdir(mode=0o700)
    lines = [f"export ALGA_URL={platform.addresses.api}"]
    for name, claims in TOKENS.items():
        write_private(folder / name, platform.keys.token(claims))
        lines.append(f'export {name.upper().replace("-", "_")}="$(cat {folder / name})"')
    write_private(folder / "env", "\n".join(lines) + "\n")
    return folder


def _sign_in_codes(platform: Platform) -> dict[str, str]:
    """Return a sign-in code for each user of a tenant. A host application is not a user: its token has no name."""
    users = {name: claims for name, claims in TOKENS.items() if "name" in claims}
    return {name: platform.sign_in.issue(platform.keys.token(claims)) for name, claims in users.items()}


def _greeting(platform: Platform, tokens: Path, installs: list[dict[str, Any]]) -> str:
    api = platform.addresses.api
    lines = [
        "",
        f"  API          {api}/api/registry/v1  {api}/api/ext",
        f"  UI host      {platform.addresses.ui}",
        f"  host page    {platform.addresses.host}",
        f"  logs         {platform.options.state / 'logs'}",
        "",
        "Sign in to the host page, one line for each user (each works once, for 10 minutes):",
        "",
        *(f"  {name:13}{platform.addresses.host}/#code={code}" for name, code in _sign_in_codes(platform).items()),
        "",
        "Tokens, one for each role (valid for 8 hours):",
        "",
        f"  source {tokens / 'env'}",
        "",
        *(f'  export {name.upper().replace("-", "_")}="$(cat {tokens / name})"' for name in TOKENS),
    ]
    if installs:
        lines += ["", "Installed for acme:", ""]
        lines += [f"  {i['publisher']}.{i['name']} {i['version']}  {i['ui_url'] or ''}" for i in installs]
        user = f'-H "authorization: Bearer $(cat {tokens / "acme-user"})"'
        lines += ["", "Try it:", ""]
        lines.append(f"  curl -s {user} '{api}/api/ext/samples.dev.alga.hello/hello?name=Ada'")
        lines.append(f"  curl -s {user} {api}/api/ext/samples.dev.alga.hello/echo -d 'to and fro'")
        note_body = '\'{"title": "First", "text": "Hello"}\''
        json_type = "-H 'content-type: application/json'"
        lines.append(f"  curl -s {user} {json_type} {api}/api/ext/samples.dev.alga.notes/notes -d {note_body}")
        lines.append(f"  curl -s {user} {api}/api/ext/samples.dev.alga.notes/notes")
        globex = f'-H "authorization: Bearer $(cat {tokens / "globex-user"})"'
        lines.append(f"  curl -s {globex} {api}/api/ext/samples.dev.alga.hello/hello   # 404: not installed there")
        lines += ["", "Make happen what happens without a caller:", "", *_triggers(api, tokens, user)]
    lines += ["", "Ready. Ctrl-C stops everything."]
    return "\n".join(lines)


def _triggers(api: str, tokens: Path, user: str) -> list[str]:
    """Return commands that publish an event and run a schedule of the sample hello, and show what it did with them."""
    hello = f"{api}/api/ext/samples.dev.alga.hello"

    def trigger(what: str, role: str) -> str:
        return f"  alga-ext trigger {what} --url {api} --token-file {tokens / role}"

    return [
        trigger(f"""event {TOPIC} --data '{{"ticket_id": "T-1"}}'""", "acme-events"),
        f"  curl -s {user} -X PUT {hello}/good-morning   # the extension makes its schedule",
        trigger("schedule good-morning", "acme-admin"),
        trigger("tick", "operator"),
        f"  curl -s {user} {hello}/greeted",
    ]
