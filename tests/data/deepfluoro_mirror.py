"""A mirror of DeepFluoro's files on this machine, and what may go wrong with one."""

import gzip
import hashlib
import http.server
import time
from pathlib import Path

import nibabel
import numpy as np

from deepdrr.data import download_deepfluoro

IMAGE, LABELS = "/subject01/volume.nii.gz", "/subject01/mask.nii.gz"


def nifti(values: np.ndarray) -> bytes:
    return gzip.compress(nibabel.Nifti1Image(values, np.eye(4)).to_bytes(), mtime=0)


NOISE = np.random.default_rng(0).integers(-1000, 1000, (40, 40, 40)).astype(np.int16)
FILES = {IMAGE: nifti(NOISE), LABELS: nifti((NOISE > 0).astype(np.uint8))}


class Server(http.server.ThreadingHTTPServer):
    """Files, and what goes wrong with them."""

    files: dict[str, bytes]
    requests: list[tuple[str, str | None]]  # path, and the range that was asked for

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files = dict(FILES)
        self.requests = []
        self.cut_after: list[int] = []  # bytes until the connection ends, one entry a request
        self.status: list[int] = []  # answered in place of the file, one entry a request
        self.ranges = True
        self.tags = True
        self.length = True
        self.pause_s = 0.0  # between pieces of 1000 bytes

    def handle_error(self, *_: object) -> None:
        """Say nothing of clients that went away in the middle, on purpose."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        server, asked = self.server, self.headers.get("Range")
        server.requests.append((self.path, asked))
        if server.status:
            return self.send_error(server.status.pop(0))
        if self.path not in server.files:
            return self.send_error(404)
        content = server.files[self.path]
        tag = f'"{hashlib.md5(content).hexdigest()}"'
        start = 0
        if asked and server.ranges and self.headers.get("If-Range") == tag:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
        if start and start >= len(content):
            return self.send_error(416)
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if server.length:
            self.send_header("Content-Length", str(len(content) - start))
        if server.tags:
            self.send_header("ETag", tag)
        self.end_headers()
        end = start + server.cut_after.pop(0) if server.cut_after else len(content)
        for at in range(start, end, 1000):
            self.wfile.write(content[at : min(at + 1000, end)])
            if server.pause_s:
                time.sleep(server.pause_s)


def fetch(server: Server, **options: object) -> tuple[str, str]:
    return download_deepfluoro(1, url=server.url, progress=False, **options)  # type: ignore[arg-type]


def names(folder: Path) -> set[str]:
    """Files that are kept, but for the locks."""
    return {path.name for path in folder.glob("*") if path.suffix != ".lock"} if folder.exists() else set()
