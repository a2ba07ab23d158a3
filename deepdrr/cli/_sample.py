"""`deepdrr sample`: CT scans to try things on."""

__all__ = ["sample"]


def sample(name: str | None = None) -> None:
    """List the sample CT scans, or fetch one and print where it is.

    Args:
        name: Which one; without it they are listed.
    """
    raise NotImplementedError
