"""`Part`: a file on its way from a server, which a later request can go on with.

A note beside the part holds its URL and the server's word for that version (ETag or Last-Modified). The next request
asks for the rest (RFC 9110, Range with If-Range); a server that has another version by then, or knows no ranges, sends
all of it. The library requests does the transport; pooch, built on it, starts every download at its first byte.
"""

import errno
import os
import shutil
import time
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import url2pathname

from deepdrr._progress import Report
from deepdrr._version import __version__

if TYPE_CHECKING:
    from requests import RequestException, Response

__all__ = ["Part"]

_CHUNK_BYTES = 1 << 16  # what is lost at most where a connection breaks
_STALLS = 3  # requests in a row that bring nothing new
_PAUSE_S = 0.5  # after the first of them, doubled each time
# Statuses of a server that may well answer later, and 416: there is nothing after the part, which is then dropped.
_ASK_AGAIN = (408, 416, 425, 429, 500, 502, 503, 504)


class Part:
    """What has come of one download.

    Attributes:
        url: the file to fetch.
        target: its place in the end.
        path: where the bytes are until then.
    """

    def __init__(self, url: str, target: Path, timeout_s: float, report: Report) -> None:
        self.url, self.target = url, target
        self.path = target.with_name(f".{target.name}.part")
        self._note = target.with_name(f".{target.name}.part.txt")
        self._timeout_s, self._report = timeout_s, report
        self._total: int | None = None

    @property
    def received_bytes(self) -> int:
        """Size of the part."""
        return self.path.stat().st_size if self.path.exists() else 0

    def discard(self) -> None:
        """Remove what has come so far."""
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)

    def fetch(self) -> None:
        """Ask until all has come; give up when nothing new comes.

        Raises:
            ConnectionError: if the server cannot be reached, has no such file or breaks off.
            OSError: if the part cannot be stored; nothing of it is kept then.
        """
        from requests import RequestException

        most, stalls = self.received_bytes, 0
        while True:
            try:
                return self._request()
            except RequestException as error:
                stalls = 0 if self.received_bytes > most else stalls + 1
                most = max(most, self.received_bytes)
                if stalls == _STALLS or not self._may_go_on(error):
                    raise self._broken_off(error) from error
                time.sleep(_PAUSE_S * 2**stalls)
            except FileNotFoundError as error:  # of a `file:` URL
                raise self._broken_off(error) from error
            except OSError as error:
                self.discard()  # so that it does not stay in a full disk's way
                raise self._not_stored(error) from error

    def _request(self) -> None:
        """Ask once for what is missing."""
        import requests

        parts = urlsplit(self.url)
        if parts.scheme == "file":
            shutil.copyfile(url2pathname(parts.path), self.path)
            return
        headers = {"User-Agent": f"deepdrr/{__version__}", "Accept-Encoding": "identity"}
        if self.received_bytes and (validator := self._validator()):
            headers |= {"Range": f"bytes={self.received_bytes}-", "If-Range": validator}
        with requests.get(self.url, headers=headers, stream=True, timeout=self._timeout_s) as response:
            if response.status_code in (HTTPStatus.OK, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE):
                self.discard()  # all of it comes, or has to be asked for
            response.raise_for_status()
            self._store(response)

    def _store(self, response: "Response") -> None:
        """Add what the server sends to the part."""
        length = response.headers.get("Content-Length", "")
        coming = int(length) if length.isdigit() else None
        self._total = None if coming is None else self.received_bytes + coming
        _check_space(self.path.parent, coming or 0)
        self._note.write_text(f"{self.url}\n{_validator_of(response)}", encoding="utf-8")
        with self.path.open("ab") as stream:
            for chunk in response.iter_content(_CHUNK_BYTES):
                stream.write(chunk)
                self._report(stream.tell(), self._total)
            os.fsync(stream.fileno())  # before the file gets its name, which nothing doubts later

    def _validator(self) -> str:
        """The server's word for the version that the part is of; "" if there is none, or it is of another URL."""
        lines = self._note.read_text(encoding="utf-8", errors="replace").split("\n") if self._note.exists() else []
        return lines[1] if len(lines) == 2 and lines[0] == self.url else ""

    def _may_go_on(self, error: "RequestException") -> bool:
        return self.received_bytes > 0 if error.response is None else error.response.status_code in _ASK_AGAIN

    def _broken_off(self, error: OSError) -> ConnectionError:
        kept = ""
        if self.received_bytes:
            size = f"{self.received_bytes} of {self._total}" if self._total else f"{self.received_bytes}"
            kept = f"{size} bytes of it are kept, and the next call goes on from there; "
        return ConnectionError(
            f"cannot download {self.url}: {_reason(error)}; {kept}without a network, fetch it where there is one and "
            f"put it at '{self.target}'"
        )

    def _not_stored(self, error: OSError) -> OSError:
        sentence = OSError(
            f"cannot store '{self.target}': {error.strerror or error}; nothing of it was kept; another folder can be "
            "named by DEEPDRR_CACHE"
        )
        sentence.errno = error.errno
        return sentence


def _check_space(folder: Path, needed: int) -> None:
    if needed > shutil.disk_usage(folder).free:
        raise OSError(errno.ENOSPC, f"{os.strerror(errno.ENOSPC)} for another {needed} bytes")


def _validator_of(response: "Response") -> str:
    tag = response.headers.get("ETag", "")
    weak = not tag or tag.startswith("W/")  # a weak tag does not promise the same bytes
    return response.headers.get("Last-Modified", "") if weak else tag


def _reason(error: OSError) -> str:
    """The status, or the first cause: what requests and urllib3 say around it is long."""
    from requests.exceptions import ChunkedEncodingError

    response: Response | None = getattr(error, "response", None)
    if response is not None:
        return f"the server says {response.status_code} {response.reason}"
    if isinstance(error, ChunkedEncodingError):
        return "the connection ended early"
    cause: BaseException = error
    while inner := cause.__cause__ or cause.__context__:
        cause = inner
    return getattr(cause, "strerror", None) or str(cause) or type(cause).__name__
