"""Keys that the runner checks are replaced while guests are called: no call fails, and then the old key is refused."""

import base64
import dataclasses
import json
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest

from alga_ext.calls.envelope import EXECUTE_PATH, decode_response, encode
from alga_ext.calls.execution_token import sign_execution_token
from alga_ext.calls.signed_token import TokenKeys
from alga_ext.trust.dated_keys import parse_public_keys, parse_signer
from alga_ext.trust.policy import TrustBundle, TrustedKey
from alga_ext.trust.signing import LocalSigner, PublicKey
from functions.registry.publishing.finishing import renew_release
from functions.runner.imports.application.address import Address
from functions.runner.imports.application.client import AUDIENCE, ISSUER, Application, ApplicationClient
from functions.runner.imports.call_context import CallContext
from functions.runner.preparing.compile_worker import Compiler
from functions.runner.preparing.preparation import Prepare
from functions.runner.runner import Runner
from functions.uihost.bundles import UiBundles
from functions.uihost.withdrawn import WithdrawnBundles
from tests.support import published_ui
from tests.support.answering import Asked, Reply, answering
from tests.support.bodies import body_of_answer
from tests.support.load import Fleet, Load, deploy
from tests.support.published_ui import FILES, HASH, HEX, LIST_LIFETIME, list_withdrawn, publish_into
from tests.support.runner_fixture import MIB, RunnerFixture, call
from tests.support.wat import guest
from tools.cli.platform_secrets import StageSecrets, create, rotate_execution

REFRESH, ACCEPTED = timedelta(seconds=300), timedelta(seconds=65)


def greeting(status: int) -> bytes:
    return guest(f"(call $respond (i32.const {status}) (i32.const 0) (i32.const 0))")


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RunnerFixture]:
    made = RunnerFixture(tmp_path / "house")
    yield made
    made.close()


def execute(runner: Runner, signer: LocalSigner, content_hash: str) -> str | None:
    """Call a guest with a token of this key; return why it failed, or None."""
    request = call(content_hash)
    body, token_id, now_s = encode(request), str(uuid.uuid4()), int(time.time())
    token = sign_execution_token(signer, request, body, version_state="ready", token_id=token_id, now_s=now_s)
    answer = runner.answer(
        {
            "rawPath": EXECUTE_PATH,
            "headers": {"authorization": f"Bearer {token}"},
            "requestContext": {"http": {"method": "POST", "path": EXECUTE_PATH}},
            "body": base64.b64encode(body).decode(),
            "isBase64Encoded": True,
        }
    )
    if answer["statusCode"] != 200:
        return f"{answer['statusCode']} {json.loads(answer['body'])['code']}"
    response = decode_response(body_of_answer(answer))
    return response.error.code if response.error else None


# Execution tokens


class Tokens:
    """Gateways and runners whose keys come from a stage's secrets, and a guest that is called through them."""

    def __init__(self, house: RunnerFixture) -> None:
        self.house = house
        self.content_hash = house.publish(greeting(204))
        self.now = datetime.now(UTC)
        self.stage = StageSecrets(f"s{uuid.uuid4().hex[:8]}")
        create(self.stage, self.now)
        self.gateways, self.runners = Fleet(self.new_gateway()), Fleet(self.new_runner())

    def new_gateway(self) -> LocalSigner:
        """Return the signer of a gateway that reads its settings now."""
        return parse_signer(self.stage.load("gateway")["execution_token_private_key"]).signer

    def new_runner(self) -> Runner:
        """Return a runner that reads its settings now."""
        keys = parse_public_keys(self.stage.load("runner")["execution_token_public_keys"])
        gateway_keys = TokenKeys([dated.key for dated in keys])
        return Runner(dataclasses.replace(self.house.services, gateway_keys=gateway_keys))

    def call(self, turn: int) -> None:
        assert execute(self.runners.of(turn // 2), self.gateways.of(turn), self.content_hash) is None

    def refresh(self, load: Load) -> None:
        """Let every process read its settings again, one after the other, while calls go on."""
        deploy(load, (self.runners, self.new_runner()), (self.gateways, self.new_gateway()))

    def rotate(self, after: timedelta) -> int:
        self.now += after
        return int(rotate_execution(self.stage, self.now, REFRESH).document["step"])


def test_the_key_of_execution_tokens(aws: str, house: RunnerFixture) -> None:
    tokens = Tokens(house)
    old = tokens.new_gateway()
    with Load(tokens.call) as load:
        assert tokens.rotate(timedelta(0)) == 1
        tokens.refresh(load)
        assert tokens.rotate(REFRESH) == 2
        tokens.refresh(load)
        assert tokens.rotate(REFRESH + ACCEPTED) == 3
        tokens.refresh(load)

    assert tokens.new_gateway().key_id != old.key_id
    assert execute(tokens.new_runner(), old, tokens.content_hash) == "401 unauthorized"


def test_a_key_of_execution_tokens_that_no_runner_was_told_of_fails_calls(aws: str, house: RunnerFixture) -> None:
    """What the first step is for; and that the load notices."""
    tokens = Tokens(house)
    with pytest.raises(AssertionError, match="failed"), Load(tokens.call) as load:
        deploy(load, (tokens.gateways, LocalSigner.generate()))


# Keys in the trust bundle


def trusted(key: LocalSigner, use: Any, until: datetime | None = None) -> TrustedKey:
    return TrustedKey(key_id=key.key_id, public_key=key.public_pem, use=use, valid_until=until)


class Programs:
    """A runner and a UI host over one store and one trust bundle."""

    def __init__(self, house: RunnerFixture, monkeypatch: pytest.MonkeyPatch) -> None:
        self.house = house
        monkeypatch.setattr(published_ui, "RELEASE", house.release_key)
        self.components = [greeting(204), greeting(205)]
        self.hashes = [house.publish(component) for component in self.components]
        publish_into(house.store, FILES)
        self.list_withdrawn()
        trust, clock = (lambda: self.house.trust), time.monotonic
        withdrawn = WithdrawnBundles(house.store, trust, LIST_LIFETIME, self._now, clock)
        self.pages = UiBundles(house.store, withdrawn, trust, MIB, self._now, clock)

    def _now(self) -> datetime:
        return datetime.now(UTC)

    def list_withdrawn(self) -> None:
        """Sign the list of withdrawn bundles with the present release key, as the sweeper does every minute."""
        list_withdrawn(self.house.store, at=self._now(), signer=self.house.release_key)

    def trust(self, *keys: TrustedKey) -> None:
        """Publish a trust bundle; every process reads it at its next use."""
        self.house.trust = TrustBundle(keys)

    def call(self, _turn: int) -> None:
        for content_hash in self.hashes:
            assert execute(self.house.runner, self.house.gateway_key, content_hash) is None
        assert "index.html" in self.pages.index(HASH).files

    def use_artifact_key(self, key: LocalSigner) -> None:
        """Deploy prepare with another key."""
        house = self.house
        house.artifact_key = key
        house.prepare = Prepare(
            store=house.store,
            queue=house.outbox,
            trust=lambda: house.trust,
            signer=key,
            engine=house.engine,
            compiler=Compiler(240, 3_072 * MIB),
            max_component_bytes=64 * MIB,
            now=self._now,
        )


@pytest.fixture
def programs(house: RunnerFixture, monkeypatch: pytest.MonkeyPatch) -> Programs:
    return Programs(house, monkeypatch)


def test_the_release_key(programs: Programs) -> None:
    house = programs.house
    old, new = house.release_key, LocalSigner.generate()
    artifact = trusted(house.artifact_key, "artifact")
    with Load(programs.call, calls=3) as load:
        programs.trust(trusted(old, "release"), trusted(new, "release"), artifact)
        load.settle()
        house.release_key = new
        programs.hashes.append(house.publish(greeting(206)))
        programs.list_withdrawn()
        load.settle()
        for content_hash in (*programs.hashes, HEX):
            renew_release(content_hash, house.store, new, house.trust, datetime.now(UTC))
            load.settle()
        programs.trust(trusted(old, "release", until=datetime.now(UTC)), trusted(new, "release"), artifact)

    house.release_key = old
    signed_by_old = house.publish(greeting(207))
    assert execute(house.runner, house.gateway_key, signed_by_old) == "artifact_integrity"


def test_a_release_key_that_ends_before_records_are_signed_again_fails_calls(programs: Programs) -> None:
    """What signing again is for; and that the load notices."""
    house = programs.house
    new = LocalSigner.generate()
    ended = trusted(house.release_key, "release", until=datetime.now(UTC))
    with pytest.raises(AssertionError, match="failed"), Load(programs.call, calls=3):
        programs.trust(ended, trusted(new, "release"), trusted(house.artifact_key, "artifact"))


def test_the_artifact_key(programs: Programs) -> None:
    house = programs.house
    old, new = house.artifact_key, LocalSigner.generate()
    release = trusted(house.release_key, "release")
    not_compiled_again = house.publish(greeting(206))
    with Load(programs.call, calls=3) as load:
        programs.trust(trusted(old, "artifact"), trusted(new, "artifact"), release)
        load.settle()
        programs.use_artifact_key(new)
        load.settle()
        for component in programs.components:
            assert house.prepared(component).ok
            load.settle()
        programs.trust(trusted(old, "artifact", until=datetime.now(UTC)), trusted(new, "artifact"), release)

    assert execute(house.runner, house.gateway_key, not_compiled_again) == "artifact_integrity"


# Call tokens


class Host:
    """A host application that knows keys by their ids, and the runners that call it."""

    def __init__(self) -> None:
        self.keys: dict[str, PublicKey] = {}

    def know(self, *signers: LocalSigner) -> None:
        keys = [PublicKey.from_pem(signer.public_pem) for signer in signers]
        self.keys = {key.key_id: key for key in keys}

    def answer(self, asked: Asked) -> Reply:
        token = asked.headers["x-alga-call-token"]
        key = self.keys.get(jwt.get_unverified_header(token)["kid"])
        if key is None:
            return Reply(401)
        jwt.decode(token, key.raw, algorithms=["EdDSA"], audience=AUDIENCE, issuer=ISSUER)
        return Reply(200, b"{}")


def ask(url: str, signer: LocalSigner) -> int:
    """Ask the host application as a runner with this key does, and return the status."""
    application = Application(Address.of(url), "static-token-8Zk4Wq1t", signer, time.time)
    deadline_ns = time.monotonic_ns() + 10 * 10**9
    context = CallContext(call("sha256:" + "0" * 64), frozenset(), deadline_ns, None, time.time)
    client = ApplicationClient(context, application)
    try:
        return client.send("GET", "/api/x", None, {}, 100).status
    finally:
        client.close()


def test_the_key_of_call_tokens() -> None:
    host, old, new = Host(), LocalSigner.generate(), LocalSigner.generate()
    host.know(old)
    runners = Fleet(old)
    with answering(host.answer) as server:

        def one(turn: int) -> None:
            assert ask(server.url, runners.of(turn)) == 200

        with Load(one) as load:
            host.know(old, new)
            load.settle()
            deploy(load, (runners, new))
            host.know(new)
        assert ask(server.url, old) == 401
