"""One set of cases for every object store: S3 (as moto speaks it), its reader, and the one in memory."""

import base64
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import boto3
import pytest
import urllib3

from alga_ext.stores.aws import S3ObjectStore
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.objects import ObjectStore
from alga_ext.stores.s3_reader import S3ObjectReader
from tests.support.answering import Reply, answering
from tests.support.memory_store import MemoryObjectStore
from tests.support.refusals import code_of


@pytest.fixture
def bucket(aws: str) -> str:
    name = f"bucket-{uuid.uuid4().hex[:12]}"
    boto3.client("s3").create_bucket(Bucket=name)
    return name


class WithReader(S3ObjectStore):
    """Written by the SDK, read by the reader that does without it."""

    def __init__(self, base: str) -> None:
        super().__init__(base)
        reader = S3ObjectReader(base, AwsApi(os.environ))
        self.get = reader.get  # type: ignore[method-assign]
        self.get_optional = reader.get_optional  # type: ignore[method-assign]
        self.size = reader.size  # type: ignore[method-assign]
        self.download = reader.download  # type: ignore[method-assign]


KINDS: dict[str, tuple[type[S3ObjectStore], str]] = {
    "s3": (S3ObjectStore, ""),
    "s3-with-prefix": (S3ObjectStore, "/some/prefix/"),
    "s3-reader": (WithReader, ""),
    "s3-reader-with-prefix": (WithReader, "/some/prefix/"),
}


@pytest.fixture(params=["memory", *KINDS])
def store(request: pytest.FixtureRequest) -> ObjectStore:
    """A new, empty store."""
    if request.param == "memory":
        return MemoryObjectStore()
    kind, prefix = KINDS[request.param]
    return kind(f"s3://{request.getfixturevalue('bucket')}{prefix}")


@pytest.mark.parametrize("data", [b"", b"x", bytes(range(256)) * 1000])
def test_what_is_put_is_got(store: ObjectStore, data: bytes) -> None:
    assert store.put_new("a/b", data, "application/octet-stream") is True

    assert store.get("a/b") == data
    assert store.get_optional("a/b") == data
    assert store.size("a/b") == len(data)


@pytest.mark.parametrize("key", ["a", "a/b/c.d", "ü/é x", "a+b", "a%20b", "a?b#c", "x" * 500])
def test_any_key_of_ours_is_kept_apart(store: ObjectStore, key: str) -> None:
    store.put_new(key, b"1", "text/plain")

    assert store.get(key) == b"1"
    assert store.get_optional(key + "x") is None


def test_an_absent_object_is_not_found(store: ObjectStore, tmp_path: Path) -> None:
    assert code_of(lambda: store.get("none")) == "object_not_found"
    assert store.get_optional("none") is None
    assert store.size("none") is None
    assert code_of(lambda: store.download("none", tmp_path / "file")) == "object_not_found"
    assert not (tmp_path / "file").exists()


def test_the_same_bytes_again_are_no_error_and_written_once(store: ObjectStore) -> None:
    data = b"the very same object"

    assert [store.put_new("k", data, "text/plain") for _ in range(3)] == [True, False, False]
    assert store.put_new("k", bytes(bytearray(data)), "text/plain") is False


def test_other_bytes_are_refused_and_the_stored_ones_stay(store: ObjectStore) -> None:
    store.put_new("k", b"first", "text/plain")

    assert code_of(lambda: store.put_new("k", b"second", "text/plain")) == "object_conflict"
    assert code_of(lambda: store.put_new("k", b"", "text/plain")) == "object_conflict"
    assert store.get("k") == b"first"


def test_a_file_is_put_as_its_bytes_are(store: ObjectStore, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"x" * 3_000_000)

    assert [store.put_new_file("k", path, "application/zstd") for _ in range(2)] == [True, False]
    assert store.get("k") == path.read_bytes()
    path.write_bytes(b"other")
    assert code_of(lambda: store.put_new_file("k", path, "application/zstd")) == "object_conflict"


def test_an_object_is_downloaded_into_a_new_file(store: ObjectStore, tmp_path: Path) -> None:
    data = bytes(range(256)) * 12_000
    store.put_new("k", data, "application/zstd")

    assert store.download("k", tmp_path / "file") == (len(data), hashlib.sha256(data).hexdigest())
    assert (tmp_path / "file").read_bytes() == data


def test_a_file_that_is_there_is_not_overwritten(store: ObjectStore, tmp_path: Path) -> None:
    store.put_new("k", b"new", "text/plain")
    (tmp_path / "file").write_bytes(b"old")

    with pytest.raises(FileExistsError):
        store.download("k", tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"old"


def test_a_deleted_object_is_gone_and_deleting_it_again_no_error(store: ObjectStore) -> None:
    store.put_new("k", b"1", "text/plain")

    store.delete("k")
    store.delete("k")

    assert store.get_optional("k") is None
    assert store.put_new("k", b"2", "text/plain") is True


def test_of_several_writers_of_one_key_one_wins(store: ObjectStore) -> None:
    def write(number: int) -> str | None:
        return code_of(lambda: store.put_new("k", b"%d" % number, "text/plain"))

    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(write, range(8)))

    assert sorted(codes, key=str) == [None, *["object_conflict"] * 7]


def test_an_object_is_replaced_by_who_has_its_tag(store: ObjectStore) -> None:
    assert store.get_tagged("k") is None
    store.replace("k", b"first", "text/plain", None)
    first = store.get_tagged("k")
    assert first is not None
    store.replace("k", b"second", "text/plain", first.tag)

    assert (first.data, store.get("k")) == (b"first", b"second")


def test_an_object_that_was_replaced_deleted_or_written_meanwhile_is_left_as_it_is(store: ObjectStore) -> None:
    store.replace("k", b"first", "text/plain", None)
    first = store.get_tagged("k")
    assert first is not None
    store.replace("k", b"second", "text/plain", first.tag)

    assert code_of(lambda: store.replace("k", b"third", "text/plain", first.tag)) == "object_conflict"
    assert code_of(lambda: store.replace("k", b"third", "text/plain", None)) == "object_conflict"
    assert store.get("k") == b"second"
    store.delete("k")
    assert code_of(lambda: store.replace("k", b"third", "text/plain", first.tag)) == "object_conflict"
    assert store.get_optional("k") is None


def test_of_several_that_replace_one_version_one_wins(store: ObjectStore) -> None:
    store.replace("k", b"first", "text/plain", None)
    first = store.get_tagged("k")
    assert first is not None

    def write(number: int) -> str | None:
        return code_of(lambda: store.replace("k", b"%d" % number, "text/plain", first.tag))

    with ThreadPoolExecutor(4) as pool:
        codes = list(pool.map(write, range(8)))

    assert sorted(codes, key=str) == [None, *["object_conflict"] * 7]


# S3 alone


def test_prefixes_keep_stores_apart(bucket: str) -> None:
    S3ObjectStore(f"s3://{bucket}/one").put_new("k", b"1", "text/plain")

    assert S3ObjectStore(f"s3://{bucket}/two").get_optional("k") is None
    assert S3ObjectStore(f"s3://{bucket}").get("one/k") == b"1"


@pytest.mark.parametrize("base", ["", "bucket", "https://bucket", "s3://", "s3:///prefix", "/tmp/x"])
def test_a_base_that_is_no_bucket_is_refused(base: str) -> None:
    with pytest.raises(ValueError, match="object store base"):
        S3ObjectStore(base)
    with pytest.raises(ValueError, match="object store base"):
        S3ObjectReader(base, AwsApi(os.environ))


@pytest.fixture
def reader(bucket: str) -> S3ObjectReader:
    """A reader of a bucket that has the object ``k``."""
    S3ObjectStore(f"s3://{bucket}").replace("k", b"first", "text/plain", None)
    return S3ObjectReader(f"s3://{bucket}", AwsApi(os.environ))


def test_an_object_that_did_not_change_is_not_read_again(bucket: str, reader: S3ObjectReader) -> None:
    first = reader.get_changed("k", None, 5)
    assert first is not None
    assert first.data == b"first"
    assert reader.get_changed("k", first.tag, 5) is None

    S3ObjectStore(f"s3://{bucket}").replace("k", b"second", "text/plain", first.tag)
    second = reader.get_changed("k", first.tag, 6)

    assert second is not None
    assert second.data == b"second"


def test_an_object_over_the_readers_limit_is_not_read(reader: S3ObjectReader) -> None:
    assert code_of(lambda: reader.get_changed("k", None, 4)) == "object_store_unavailable"


def test_an_absent_object_has_no_changed_content(reader: S3ObjectReader) -> None:
    assert code_of(lambda: reader.get_changed("none", '"tag"', 5)) == "object_not_found"


def test_an_upload_url_signs_length_and_hash(bucket: str) -> None:
    data = b"archive"
    checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
    store = S3ObjectStore(f"s3://{bucket}")

    url, headers = store.presign_put("staging/1", sha256_b64=checksum, size_bytes=len(data), expires_in_s=60)

    signed = parse_qs(urlsplit(url).query)["X-Amz-SignedHeaders"][0].split(";")
    assert set(headers) <= set(signed)
    assert {"content-length", "content-type", "host", "x-amz-checksum-sha256"} <= set(signed)
    answer = urllib3.request("PUT", url, body=data, headers=headers)
    assert answer.status == 200
    assert store.get("staging/1") == data


def _calls(store: ObjectStore, folder: Path) -> list[Callable[[], object]]:
    source = folder / "source"
    source.write_bytes(b"1")
    return [
        lambda: store.get("k"),
        lambda: store.get_optional("k"),
        lambda: store.size("k"),
        lambda: store.put_new("k", b"1", "text/plain"),
        lambda: store.put_new_file("k", source, "text/plain"),
        lambda: store.download("k", folder / "target"),
        lambda: store.delete("k"),
        lambda: store.get_tagged("k"),
        lambda: store.replace("k", b"1", "text/plain", None),
        lambda: store.replace("k", b"1", "text/plain", '"tag"'),
    ]


@pytest.fixture(params=[S3ObjectStore, WithReader])
def kind(request: pytest.FixtureRequest) -> type[S3ObjectStore]:
    """Either way to S3."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(params=["unreachable", "hangs-up", "fails", "denies", "no-bucket"])
def broken(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, aws: str, kind: type[S3ObjectStore]
) -> Iterator[S3ObjectStore]:
    """A store whose server does not do its work."""
    if request.param == "no-bucket":
        yield kind("s3://no-such-bucket-here")
        return
    xml = b"<Error><Code>%s</Code><Message>m</Message></Error>"
    replies = {
        "hangs-up": Reply(body=None),
        "fails": Reply(500, xml % b"InternalError"),
        "denies": Reply(403, xml % b"AccessDenied"),
    }
    with answering(lambda _: replies.get(request.param, Reply())) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1" if request.param == "unreachable" else server.url)
        yield kind("s3://bucket")


def test_a_store_that_does_not_work_is_unavailable_and_nothing_else(broken: S3ObjectStore, tmp_path: Path) -> None:
    codes = [code_of(call) for call in _calls(broken, tmp_path)]

    # A HEAD answer has no body, so an absent bucket cannot be told from an absent object there.
    assert set(codes) <= {"object_store_unavailable", None}
    assert (
        codes[0]
        == codes[1]
        == codes[3]
        == codes[4]
        == codes[5]
        == codes[7]
        == codes[8]
        == codes[9]
        == "object_store_unavailable"
    )


def test_an_answer_that_breaks_off_is_unavailable(
    monkeypatch: pytest.MonkeyPatch, aws: str, tmp_path: Path, kind: type[S3ObjectStore]
) -> None:
    with answering(lambda _: Reply(200, b"short", {"content-length": "5000", "connection": "close"})) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.url)
        store = kind("s3://bucket")

        assert code_of(lambda: store.get("k")) == "object_store_unavailable"
        assert code_of(lambda: store.download("k", tmp_path / "file")) == "object_store_unavailable"
        assert not (tmp_path / "file").exists()
