"""A UI is accepted through the registry's signature alone: nothing else in the store is."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alga_ext.errors import PlatformError
from alga_ext.ids import ContentHash
from alga_ext.stores import object_keys
from alga_ext.trust.policy import Revocation, TrustBundle
from alga_ext.trust.releases import VERDICT_LIFETIME_S
from alga_ext.trust.signing import LocalSigner, parse_envelope, with_signature
from functions.uihost.bundles import UiBundles
from functions.uihost.uihost import find_file
from functions.uihost.withdrawn import WithdrawnBundles
from tests.support.clock import Clock
from tests.support.keys import NOW, revoked, trust_in, trusted
from tests.support.memory_store import MemoryObjectStore
from tests.support.published_ui import (
    FILES,
    HASH,
    HEX,
    LIST_LIFETIME,
    LISTING,
    PUBLISHER_KEY,
    RELEASE,
    list_withdrawn,
    published,
)
from tests.support.refusals import code_of

LIST_KEY = trusted(LISTING, use="release")
TRUST = trust_in(trusted(RELEASE, use="release"), LIST_KEY)


def bundles(
    objects: MemoryObjectStore,
    trust: TrustBundle | None = None,
    cache_bytes: int = 1 << 20,
    indexes: int = 256,
) -> UiBundles:
    current, clock = trust or TRUST, Clock()
    withdrawn = WithdrawnBundles(objects, lambda: current, LIST_LIFETIME, lambda: NOW, clock)
    return UiBundles(objects, withdrawn, lambda: current, cache_bytes, lambda: NOW, clock, indexes)


def read(given: UiBundles, path: str, encoding: str = "identity") -> bytes:
    file = given.index(HASH).files[path]
    return given.read(HASH, path, encoding, file.variants[encoding])


def test_a_published_ui_is_served() -> None:
    given = bundles(published())

    assert sorted(given.index(HASH).files) == ["index.html", "js/app.js", "logo.png"]
    assert read(given, "index.html") == FILES["ui/index.html"]
    assert len(read(given, "index.html", ".br")) < 100


def test_every_file_of_a_bundle_with_ten_thousand_is_served() -> None:
    files = {f"ui/{number % 100}/{number}.js": b"export default %d\n" % number for number in range(10_000)}
    given = bundles(published({**FILES, **files}))

    served = {f"ui/{path}": read(given, path) for path in given.index(HASH).files}
    assert served == {**FILES, **files}


def test_another_file_of_the_same_bundle_is_not_served_in_a_files_place() -> None:
    files = {f"ui/{number}.js": b"export default %d\n" % number for number in range(100)}
    objects = published({**FILES, **files})
    objects.objects[f"ui/{HEX}/files/57.js"] = files["ui/58.js"]
    given = bundles(objects)

    assert [path for path in given.index(HASH).files if code_of(partial(read, given, path)) == "ui_integrity"] == [
        "57.js"
    ]


def test_an_unknown_hash_is_not_found() -> None:
    objects = MemoryObjectStore()
    list_withdrawn(objects)

    assert code_of(lambda: bundles(objects).index(HASH)) == "ui_not_found"


def test_an_extension_without_ui_is_not_found() -> None:
    assert code_of(lambda: bundles(published(ui_index_sha256=None)).index(HASH)) == "ui_not_found"


def test_a_record_about_another_bundle_is_not_trusted() -> None:
    objects = published()
    other = ContentHash("sha256:" + "cd" * 32)
    objects.objects[f"releases/{'cd' * 32}.dsse.json"] = objects.objects[f"releases/{HEX}.dsse.json"]

    assert code_of(lambda: bundles(objects).index(other)) == "release_integrity"


@pytest.mark.parametrize(
    "trust",
    [
        trust_in(LIST_KEY),
        trust_in(LIST_KEY, trusted(LocalSigner.generate(), use="release")),
        trust_in(LIST_KEY, trusted(RELEASE, use="publisher")),
        trust_in(LIST_KEY, trusted(RELEASE, use="artifact")),
        trust_in(LIST_KEY, trusted(RELEASE, use="release"), revocations=[revoked(RELEASE, NOW)]),
        trust_in(LIST_KEY, trusted(RELEASE, use="release", valid_from=NOW + timedelta(days=1))),
    ],
    ids=["nobody", "other-key", "publisher-key", "artifact-key", "revoked", "not-yet"],
)
def test_a_record_that_nobody_vouches_for_is_not_trusted(trust: TrustBundle) -> None:
    assert code_of(lambda: bundles(published(), trust).index(HASH)) == "release_integrity"


@given(st.data())
def test_one_changed_byte_anywhere_in_the_store_is_refused(data: st.DataObject) -> None:
    objects = published()
    key = data.draw(st.sampled_from(sorted(objects.objects)))
    changed = bytearray(objects.objects[key])
    changed[data.draw(st.integers(0, len(changed) - 1))] ^= data.draw(st.integers(1, 255))
    objects.objects[key] = bytes(changed)
    given = bundles(objects)

    def read_all() -> None:
        for path, file in given.index(HASH).files.items():
            for encoding, variant in file.variants.items():
                given.read(HASH, path, encoding, variant)

    codes = {"releases": "release_integrity", "ui": "ui_integrity", "withdrawn": "policy_unavailable"}
    assert code_of(read_all) == codes[key.partition("/")[0]]


@pytest.mark.parametrize(
    ("key", "code", "fault"),
    [
        (f"releases/{HEX}.dsse.json", "release_integrity", "release_record"),
        (f"ui/{HEX}/index.json", "ui_integrity", "ui_index"),
        (f"ui/{HEX}/files/index.html", "ui_integrity", "ui_file"),
    ],
)
def test_a_refusal_names_the_object_that_was_changed(key: str, code: str, fault: str) -> None:
    objects = published()
    assert key in objects.objects
    objects.objects[key] = b"{}"

    with pytest.raises(PlatformError) as refused:
        read(bundles(objects), "index.html")
    assert (refused.value.code, refused.value.context["fault"]) == (code, fault)


@pytest.mark.parametrize("key", [f"ui/{HEX}/index.json", f"ui/{HEX}/files/index.html"])
def test_a_part_that_is_gone_is_refused(key: str) -> None:
    objects = published()
    del objects.objects[key]

    assert code_of(lambda: read(bundles(objects), "index.html")) == "ui_integrity"


def test_a_withdrawn_bundle_is_gone_within_thirty_seconds() -> None:
    objects = published()
    host = Believer(objects)
    host.bundles.index(HASH)
    list_withdrawn(objects, HEX)

    host.pass_time(29.9)
    assert code_of(lambda: host.bundles.index(HASH)) is None
    host.pass_time(0.1)
    assert code_of(lambda: host.bundles.index(HASH)) == "ui_not_found"
    host.pass_time(300)
    assert code_of(lambda: host.bundles.index(HASH)) == "ui_not_found"


def test_another_withdrawn_bundle_does_not_matter() -> None:
    objects = published()
    list_withdrawn(objects, "cd" * 32)

    assert code_of(lambda: bundles(objects).index(HASH)) is None


class Believer:
    """A UI host whose trust bundle and clocks a test changes."""

    def __init__(self, objects: MemoryObjectStore) -> None:
        self.trust, self.now, self.clock = TRUST, NOW, Clock()
        withdrawn = WithdrawnBundles(objects, lambda: self.trust, LIST_LIFETIME, lambda: self.now, self.clock)
        self.bundles = UiBundles(objects, withdrawn, lambda: self.trust, 1 << 20, lambda: self.now, self.clock)

    def pass_time(self, seconds: float) -> None:
        self.clock.now_s += seconds
        self.now += timedelta(seconds=seconds)


def test_a_revoked_release_key_ends_what_was_verified_before() -> None:
    host = Believer(published())
    host.bundles.index(HASH)
    host.trust = trust_in(LIST_KEY, trusted(RELEASE, use="release"), revocations=[revoked(RELEASE, NOW)])

    assert code_of(lambda: host.bundles.index(HASH)) == "release_integrity"


def test_a_release_key_that_ends_is_accepted_for_a_minute_at_most() -> None:
    host = Believer(published())
    host.trust = trust_in(LIST_KEY, trusted(RELEASE, use="release", valid_until=NOW + timedelta(seconds=1)))
    host.bundles.index(HASH)

    host.pass_time(VERDICT_LIFETIME_S - 1)
    assert code_of(lambda: host.bundles.index(HASH)) is None
    host.pass_time(1)
    assert code_of(lambda: host.bundles.index(HASH)) == "release_integrity"


def test_verifying_again_fetches_nothing_but_the_list_of_withdrawn_bundles() -> None:
    objects = published()
    host = Believer(objects)
    host.bundles.index(HASH)
    objects.objects.clear()

    host.pass_time(VERDICT_LIFETIME_S)

    assert code_of(lambda: host.bundles.index(HASH)) is None


def test_a_publishers_key_revoked_before_the_publication_shows_no_ui() -> None:
    revocation = Revocation(key_id=PUBLISHER_KEY, revoked_from=NOW)
    trust = trust_in(LIST_KEY, trusted(RELEASE, use="release"), revocations=[revocation])

    assert code_of(lambda: bundles(published(), trust).index(HASH)) == "release_integrity"


def test_a_publishers_key_revoked_after_the_publication_leaves_the_ui() -> None:
    revocation = Revocation(key_id=PUBLISHER_KEY, revoked_from=NOW + timedelta(seconds=1))
    trust = trust_in(LIST_KEY, trusted(RELEASE, use="release"), revocations=[revocation])

    assert code_of(lambda: bundles(published(), trust).index(HASH)) is None


def test_a_file_that_another_index_named_is_not_found_under_its_path() -> None:
    host = Believer(published({**FILES, "ui/index.html": b"<p>forged</p>"}))
    read(host.bundles, "index.html")
    host.trust = trust_in(LIST_KEY, trusted(RELEASE, use="release"), revocations=[revoked(RELEASE, NOW)])
    code_of(lambda: host.bundles.index(HASH))
    host.trust, host.bundles._objects = TRUST, published()

    assert read(host.bundles, "index.html") == FILES["ui/index.html"]


def test_a_file_with_a_name_like_a_variant_keeps_its_own_bytes() -> None:
    given = bundles(published({**FILES, "ui/logo.png.br": b"another file"}))

    assert read(given, "logo.png") == b"\x89PNG"
    assert read(given, "logo.png.br") == b"another file"


def test_small_files_are_kept_up_to_the_caches_size() -> None:
    files = {f"ui/f{number}.bin": bytes([number]) * 1_000 for number in range(40)}
    given = bundles(published(files, entry="ui/f0.bin"), cache_bytes=10_000)

    for path in given.index(HASH).files:
        read(given, path)

    assert given._cached_bytes == sum(map(len, given._files.values())) <= 10_000
    assert len(given._files) == 10


def test_a_large_file_does_not_push_out_the_small_ones() -> None:
    files = {"ui/small.bin": b"x" * 100, "ui/large.bin": b"y" * 5_000}
    given = bundles(published(files, entry="ui/small.bin"), cache_bytes=10_000)
    read(given, "small.bin")
    read(given, "large.bin")

    assert list(given._files.values()) == [b"x" * 100]


def test_only_so_many_indexes_are_kept() -> None:
    given = bundles(published(), cache_bytes=0, indexes=0)
    given.index(HASH)

    assert len(given._indexes) == 0


# Which file answers


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("", "index.html"),
        ("index.html", "index.html"),
        ("js/app.js", "js/app.js"),
        ("notes/5", "index.html"),
        ("js", "index.html"),
        ("a.b/c", "index.html"),
    ],
)
def test_an_unknown_path_without_extension_is_the_page(path: str, found: str) -> None:
    assert find_file(bundles(published()).index(HASH), path)[0] == found


@pytest.mark.parametrize("path", ["missing.js", "js/missing.map", "a/b.c", "INDEX.html", "index.html/"])
def test_an_unknown_file_is_not_found(path: str) -> None:
    given = bundles(published()).index(HASH)

    assert code_of(lambda: find_file(given, path)) == (None if path.endswith("/") else "ui_not_found")


def test_without_an_index_html_the_entry_is_the_page() -> None:
    objects = published({"ui/app.html": b"<p>", "ui/x.js": b""}, entry="ui/app.html")

    assert find_file(bundles(objects).index(HASH), "any/where")[0] == "app.html"


def test_the_index_is_json_that_says_no_more_than_it_must() -> None:
    document = json.loads(published().objects[f"ui/{HEX}/index.json"])

    assert set(document) == {"version", "entry", "extension_id", "files"}
    assert datetime.now(UTC).isoformat()[:4] not in json.dumps(document)


def test_a_record_that_got_a_newer_signature_is_shown_when_the_earlier_key_ends() -> None:
    objects, newer = published(), LocalSigner.generate()
    current = [TRUST]
    clock = Clock()
    withdrawn = WithdrawnBundles(objects, lambda: current[0], LIST_LIFETIME, lambda: NOW, clock)
    given = UiBundles(objects, withdrawn, lambda: current[0], 1 << 20, lambda: NOW, clock)
    given.index(HASH)
    record = parse_envelope(objects.objects[object_keys.release(HEX)])
    objects.objects[object_keys.release(HEX)] = with_signature(record, newer)
    current[0] = trust_in(trusted(RELEASE, use="release", valid_until=NOW), trusted(newer, use="release"), LIST_KEY)

    assert sorted(given.index(HASH).files) == ["index.html", "js/app.js", "logo.png"]
