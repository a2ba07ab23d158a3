"""A mirror of DeepFluoro's files for the tests of its download."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from deepfluoro_mirror import Server

from deepdrr.data.samples import _part


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the files of subject 1 belong; nothing is asked of the outside, and nobody waits."""
    monkeypatch.setenv("DEEPDRR_CACHE", str(tmp_path))
    monkeypatch.setenv("DEEPDRR_DEEPFLUORO_URL", "http://127.0.0.1:9/nobody-listens")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setattr(_part, "_PAUSE_S", 0.0)
    monkeypatch.setattr(_part, "_CHUNK_BYTES", 5000)
    return tmp_path / "deepfluoro" / "subject01"
