"""Read objects from S3 without the SDK: a GET or HEAD of the path-style URL."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

from alga_ext.stores import objects
from alga_ext.stores.aws_api import AwsApi
from alga_ext.stores.http_requests import HttpError, Response

_ERROR_LIMIT_BYTES: Final = 16 * 1024
_READ_TIMEOUT_S: Final = 5.0


class S3ObjectReader:
    """``ObjectReader`` over one bucket and prefix.

    Args:
        base: ``s3://bucket`` or ``s3://bucket/prefix``.
        api: signs the requests. Readers with the same one share its connections.
        read_timeout_s: the longest pause in a response.

    Raises:
        ValueError: the base is malformed, or ``api`` knows neither an endpoint nor a region.
    """

    def __init__(self, base: str, api: AwsApi, read_timeout_s: float = _READ_TIMEOUT_S) -> None:
        self.bucket, self._prefix = objects.bucket_and_prefix(base)
        api.endpoint("s3")
        self._api = api
        self._read_timeout_s = read_timeout_s

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
        except HttpError as error:
            raise objects.unavailable(key, error) from error

    def get_changed(self, key: str, tag: str | None, limit_bytes: int) -> objects.Tagged | None:
        """Return an object and its tag, or None while its tag is still ``tag`` (RFC 9110, section 13.1.2).

        Args:
            key: of the object.
            tag: the tag that the caller has, or None to read the object in any case.
            limit_bytes: the largest object that is read.

        Raises:
            PlatformError: ``object_not_found``; ``object_store_unavailable``, also for a larger object.
        """
        try:
            answer = self._request("GET", key, {} if tag is None else {"if-none-match": tag})
            if answer is None:
                raise objects.not_found(key)
            if answer.status == 304:
                return None
            data = answer.read(limit_bytes + 1)
            answer.close()
            if len(data) > limit_bytes:
                raise objects.unavailable(key, f"it has more than {limit_bytes} bytes")
            return objects.Tagged(data, answer.headers.get("etag", ""))
        except HttpError as error:
            raise objects.unavailable(key, error) from error

    def size(self, key: str) -> int | None:
        """See ``ObjectReader.size``."""
        try:
            answer = self._request("HEAD", key)
            return None if answer is None else int(answer.headers["content-length"])
        except (HttpError, KeyError, ValueError) as error:
            raise objects.unavailable(key, error) from error

    def download(self, key: str, path: Path) -> objects.Downloaded:
        """See ``ObjectReader.download``."""
        try:
            answer = self._request("GET", key)
            if answer is None:
                raise objects.not_found(key)
            return objects.write_hashed(answer.stream(), path)
        except HttpError as error:
            raise objects.unavailable(key, error) from error

    def _request(self, method: str, key: str, headers: Mapping[str, str] | None = None) -> Response | None:
        """Send a signed request and return the response with its body unread, or None when there is no such object."""
        path = f"/{self.bucket}/" + quote(self._prefix + key, safe="/~")
        answer = self._api.request("s3", method, path, headers=headers, read_timeout_s=self._read_timeout_s)
        if answer.status == 200 or (answer.status == 304 and headers):
            return answer
        found = answer.read(_ERROR_LIMIT_BYTES)
        answer.close()
        # A response to HEAD has no body, so an absent object and an absent bucket look the same.
        if answer.status == 404 and (method == "HEAD" or b"<Code>NoSuchKey</Code>" in found):
            return None
        raise objects.unavailable(key, f"status {answer.status}")
