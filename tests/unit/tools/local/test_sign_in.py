"""Sign-in codes: used once, for ten minutes, and only by the host page on this machine."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
import urllib3

from tests.support.clock import Clock
from tools.local.function_processes import Functions
from tools.local.http_front import Front
from tools.local.sign_in import SignInCodes


def test_a_code_gives_its_token_once() -> None:
    codes = SignInCodes()
    first, second = codes.issue("one"), codes.issue("two")
    assert first != second
    assert (codes.redeem(second), codes.redeem(first)) == ("two", "one")
    assert (codes.redeem(second), codes.redeem(first), codes.redeem("")) == (None, None, None)


@pytest.mark.parametrize(("after_s", "token"), [(599.9, "one"), (600, None), (3_600, None)])
def test_a_code_is_good_for_ten_minutes(after_s: float, token: str | None) -> None:
    clock = Clock()
    codes = SignInCodes(clock)
    code = codes.issue("one")
    clock.now_s += after_s
    assert codes.redeem(code) == token


def test_only_the_pages_of_the_front_exchange_a_code(tmp_path: Path) -> None:
    codes = SignInCodes()
    code = codes.issue("the token")

    async def answers() -> list[tuple[int, bytes]]:
        front = Front(Functions((), tmp_path, tmp_path), (), files=tmp_path, codes=codes)
        url = await front.start(0)
        port = url.rpartition(":")[2]

        def post(headers: Mapping[str, str], method: str = "POST") -> tuple[int, bytes]:
            answer = urllib3.request(method, f"{url}/sign-in", body=code.encode(), headers=dict(headers), retries=False)
            return answer.status, answer.data

        try:
            return [
                await asyncio.to_thread(post, {"origin": "https://evil.example"}),
                await asyncio.to_thread(post, {"origin": "null"}),
                await asyncio.to_thread(post, {"host": f"evil.example:{port}"}),
                await asyncio.to_thread(post, {}, "GET"),
                await asyncio.to_thread(post, {"host": f"localhost:{port}", "origin": f"http://localhost:{port}"}),
                await asyncio.to_thread(post, {"origin": url}),
            ]
        finally:
            await front.close()

    statuses = asyncio.run(answers())
    assert [status for status, _ in statuses] == [403, 403, 403, 404, 200, 403]
    assert statuses[4][1] == b"the token"
    assert all(b"the token" not in body for status, body in statuses if status != 200)
