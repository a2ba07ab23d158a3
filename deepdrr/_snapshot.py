"""Detect that inputs have changed since they were last used, and keep results derived from them until then."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, cast
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor

__all__ = ["Kept", "Snapshot", "lasting", "wants_grad"]

Value = TypeVar("Value")


class _Mark:
    """A tensor at one moment: its identity and how often torch has written to it. The mark does not keep it alive."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor = ref(tensor)
        # torch counts no writes to a tensor made in inference mode.
        self.countable = not tensor.is_inference()
        self._state = (tensor._version if self.countable else -1, tensor.data_ptr(), tensor.dtype, tensor.device)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Mark) or self._tensor() is None or self._tensor() is not other._tensor():
            return False
        return self.countable and other.countable and self._state == other._state

    __hash__ = None  # type: ignore[assignment]


class Snapshot:
    """The state of some values at one moment. Two snapshots are equal if nothing changed between them.

    A tensor is unchanged if it is the same object and torch has counted no write to it; writes that bypass torch,
    through `Tensor.numpy` or `.data`, go unnoticed. Dataclasses, mappings and sequences are compared item by item,
    without the dataclass fields declared `compare=False`. Everything else is compared by `==`.

    Example:
        >>> voxels = torch.zeros(3)
        >>> before = Snapshot(voxels, 120.0)
        >>> before == Snapshot(voxels, 120.0)
        True
        >>> _ = voxels.add_(1.0)
        >>> before == Snapshot(voxels, 120.0)
        False
    """

    def __init__(self, *values: object) -> None:
        self._marks = tuple(_mark(value) for value in values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Snapshot) and self._marks == other._marks

    __hash__ = None  # type: ignore[assignment]


def _mark(value: object) -> object:
    if isinstance(value, Tensor):
        return _Mark(value)
    if is_dataclass(value) and not isinstance(value, type):
        return (type(value), *(_mark(getattr(value, field.name)) for field in fields(value) if field.compare))
    if isinstance(value, Mapping):
        return {key: _mark(part) for key, part in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return tuple(_mark(part) for part in value)
    return value


class Kept:
    """Values derived from an owner, each kept until its inputs change or the owner is deleted.

    Example:
        >>> class Scan: ...
        >>> kept, scan, hu = Kept(), Scan(), torch.zeros(3)
        >>> kept.get(scan, "mean", Snapshot(hu), lambda: float(hu.mean()))
        0.0
    """

    def __init__(self) -> None:
        self._made: WeakKeyDictionary[Any, dict[str, tuple[Snapshot, Any]]] = WeakKeyDictionary()

    def __len__(self) -> int:
        """Number of owners with kept values."""
        return len(self._made)

    def __reduce__(self) -> tuple[type["Kept"], tuple[()]]:
        """A copy, or what another process gets, holds nothing yet: what was made can be made again."""
        return Kept, ()

    def get(self, owner: object, name: str, snapshot: Snapshot, make: Callable[[], Value]) -> Value:
        """The value of this name; it is computed again if the snapshot differs from the one it was made with.

        Args:
            owner: the object that the value belongs to; it is not kept alive.
            name: which of the owner's values.
            snapshot: a snapshot of everything the value depends on.
            make: computes the value; called at most once.
        """
        values = self._made.setdefault(owner, {})
        known = values.get(name)
        if known is not None and known[0] == snapshot:
            return cast(Value, known[1])
        del known
        values.pop(name, None)  # the old value makes room before the new one is made
        with lasting():
            value = make()
        values[name] = (snapshot, value)
        return value

    def clear(self) -> None:
        """Drop all kept values."""
        self._made.clear()


@contextmanager
def lasting() -> Iterator[None]:
    """A block, or a decorated function, whose tensors autograd may use even if they are made in inference mode."""
    if not torch.is_inference_mode_enabled():
        yield
        return
    with torch.inference_mode(False), torch.no_grad():
        yield


def wants_grad(*values: object) -> bool:
    """Whether autograd will need a derivative with respect to one of these values or of the values of a mapping."""
    if not torch.is_grad_enabled():
        return False
    return any(
        wants_grad(*value.values()) if isinstance(value, Mapping) else isinstance(value, Tensor) and value.requires_grad
        for value in values
    )
