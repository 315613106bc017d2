"""Read objects from S3 without the SDK: a GET or HEAD of the path-style URL."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

import urllib3
from urllib3.exceptions import HTTPError

from alga_ext.stores import objects
from alga_ext.stores.aws_api import AwsApi

_ERROR_LIMIT_BYTES: Final = 16 * 1024
_CHUNK_BYTES: Final = 1 << 20
_READ_TIMEOUT_S: Final = 5.0


class S3ObjectReader:
    """``ObjectReader`` over one bucket and prefix.

    Args:
        base: ``s3://bucket`` or ``s3://bucket/prefix``.
        environ: see ``AwsApi``.

    Raises:
        ValueError: the base is malformed, or neither an endpoint nor a region is set.
    """

    def __init__(self, base: str, environ: Mapping[str, str]) -> None:
        bucket, self._prefix = objects.bucket_and_prefix(base)
        self._api = AwsApi(environ)
        self._api.endpoint("s3")
        self._bucket = f"/{bucket}/"

    def get(self, key: str) -> bytes:
        """See ``ObjectReader.get``."""
        data = self.get_optional(key)
        if data is None:
            raise objects.not_found(key)
        return data

    def get_optional(self, key: str) -> bytes | None:
        """See ``ObjectReader.get_optional``."""
        try:
            answer = self._request("GET", key)
            return None if answer is None else answer.read()
        except HTTPError as error:
            raise objects.unavailable(key, error) from error

    def size(self, key: str) -> int | None:
        """See ``ObjectReader.size``."""
        try:
            answer = self._request("HEAD", key)
            return None if answer is None else int(answer.headers["content-length"])
        except (HTTPError, KeyError, ValueError) as error:
            raise objects.unavailable(key, error) from error

    def download(self, key: str, path: Path) -> objects.Downloaded:
        """See ``ObjectReader.download``."""
        try:
            answer = self._request("GET", key)
            if answer is None:
                raise objects.not_found(key)
            return objects.write_hashed(answer.stream(_CHUNK_BYTES), path)
        except HTTPError as error:
            raise objects.unavailable(key, error) from error

    def _request(self, method: str, key: str) -> urllib3.BaseHTTPResponse | None:
        """Send a signed request and return the response with its body unread, or None when there is no such object."""
        path = self._bucket + quote(self._prefix + key, safe="/~")
        answer = self._api.request("s3", method, path, read_timeout_s=_READ_TIMEOUT_S)
        if answer.status == 200:
            return answer
        found = answer.read(_ERROR_LIMIT_BYTES)
        answer.release_conn()
        # A response to HEAD has no body, so an absent object and an absent bucket look the same.
        if answer.status == 404 and (method == "HEAD" or b"<Code>NoSuchKey</Code>" in found):
            return None
        raise objects.unavailable(key, f"status {answer.status}")
