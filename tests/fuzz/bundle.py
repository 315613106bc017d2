"""Fuzz the bundle: raw frames, and any content in an honest frame; whatever is read lies inside."""

import io
import sys

import atheris

with atheris.instrument_imports(include=["alga_ext"]):
    from alga_ext.bundles.archive import Quota, read_entries

from tests.fuzz.harness import fuzz, refused_or_read
from tests.support.archives import BLOCK, END, bundle_of, compressed, header, member, pax, pax_record, sealed

QUOTA = Quota(files=100, file_bytes=1 << 20, total_bytes=4 << 20)


def one_input(data: bytes) -> None:
    kind, rest = data[:1], data[1:]
    if kind == b"\0":
        refused_or_read(lambda: check(rest))
    elif kind == b"\1":
        refused_or_read(lambda: check(compressed(rest)))
    else:
        refused_or_read(lambda: check(compressed(with_right_checksums(rest))))


def with_right_checksums(tar: bytes) -> bytes:
    """Put every header's checksum right, so that a change of it is not all that is ever found."""
    blocks = [tar[at : at + BLOCK] for at in range(0, len(tar), BLOCK)]
    return b"".join(sealed(block) if block[257:262] == b"ustar" and len(block) == BLOCK else block for block in blocks)


def check(archive: bytes) -> None:
    seen = set()
    for entry in read_entries(io.BytesIO(archive), QUOTA):
        inside = not entry.path.startswith("/") and not any(part.startswith(".") for part in entry.path.split("/"))
        if not inside or entry.path.casefold() in seen or len(entry.data) > QUOTA.file_bytes:
            message = f"read {entry.path!r} of {len(entry.data)} bytes"
            raise AssertionError(message)
        seen.add(entry.path.casefold())


def seeds() -> list[bytes]:
    honest = bundle_of({"manifest.json": b"{}", "ui/index.html": b"<p>" * 300, "é" * 60: b""}).getvalue()
    tars = [
        member("a") + END,
        header("a/", 0, b"5") + member("a/b", b"x" * 600) + END,
        pax({"path": "ui/é", "mtime": "1.5"}) + member("b") + END,
        member("././@LongLink", b"a" * 150 + b"\0", b"L") + member("b") + END,
        member("x", pax_record("comment", "y") * 3, b"x") + member("c") + END,
    ]
    return [
        b"\0" + honest,
        *(b"\1" + tar for tar in tars),
        *(b"\2" + tar for tar in tars),
        *(b"\0" + compressed(tar) for tar in tars),
    ]


if __name__ == "__main__":
    fuzz(
        "bundle",
        one_input,
        seeds(),
        sys.argv[1:],
        ["path=", "size=", "GNU.sparse.major=1", "ustar", "../", "././@LongLink"],
    )
