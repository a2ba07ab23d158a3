"""`deepdrr sample`: CT scans to try things on."""

from deepdrr.cli._status import say, stage
from deepdrr.data import fetch_sample, samples

__all__ = ["sample"]


def sample(name: str | None = None, /) -> None:
    """List the sample CT scans, or fetch one and print where it is.

    Args:
        name: Which one; without it they are listed.
    """
    if name is None:
        _list()
        return
    with stage(f"fetching {name}"):
        paths = fetch_sample(name)
    for what, path in (("image", paths.image), ("labels", paths.labels), ("names", paths.label_names)):
        if path is not None:
            say(what, path)


def _list() -> None:
    for entry in samples():
        size = f" ({entry.size_bytes / 1e6:.0f} MB to download)" if entry.size_bytes else ""
        say(entry.name, f"{entry.description}{size}")
        say("", entry.license)
