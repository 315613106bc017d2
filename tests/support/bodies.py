"""Bodies that JSON, base64 or UTF-8 treat differently, and the payloads in which Lambda carries them."""

import base64
import gzip
import io
import tarfile
from typing import Any, Final

import pytest
from awslambdaric.lambda_runtime_marshaller import to_json

MIB: Final = 1024 * 1024
PAYLOAD_LIMIT_BYTES: Final = 6 * MIB
"""Of a synchronous invocation, each way (AWS Lambda quotas)."""


def _tar() -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as archive:
        for name in ("a.txt", "ü.txt"):
            archive.addfile(tarfile.TarInfo(name))
    return made.getvalue()


UNITS: Final = {
    "letters": b"a",
    "zeros": b"\0",
    "quotes": b'"',
    "backslashes": b"\\",
    "line ends": b"\r\n",
    "delete": b"\x7f",
    "cyrillic": "я".encode(),
    "chinese": "語".encode(),
    "emoji": "😀".encode(),
    "line separators": "\u2028".encode(),
    "lone surrogates": b"\xed\xa0\x80",
    "latin-1": b"\xe9",
    "tar": _tar(),
    "gzip": gzip.compress(b"hello", mtime=0),
}
"""What a body of each kind repeats."""


def body(kind: str, size: int) -> bytes:
    """Return ``size`` bytes of a kind; the last unit may be cut."""
    unit = UNITS[kind]
    return (unit * (size // len(unit) + 1))[:size]


def body_of_answer(answer: dict[str, Any]) -> bytes:
    """Return the body of an API Gateway v2 response, as API Gateway decodes it."""
    text: str = answer.get("body") or ""
    return base64.b64decode(text, validate=True) if answer.get("isBase64Encoded") else text.encode()


def as_lambda_writes(value: Any) -> list[bytes]:
    """Return the payload as Lambda's own runtime client writes it, in each of the two forms that it has."""
    written = []
    for environment in ("AWS_Lambda_python3.11", "AWS_Lambda_python3.13"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AWS_EXECUTION_ENV", environment)
            written.append(to_json(value).encode(errors="surrogatepass"))
    return written


def largest_payload(value: Any) -> int:
    """Return the size in bytes of the larger of the two forms."""
    return max(len(written) for written in as_lambda_writes(value))
