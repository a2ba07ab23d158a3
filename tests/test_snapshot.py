"""`Snapshot` notices every change that torch can see, and `Kept` makes a value once per change."""

import copy
import gc
import pickle
from dataclasses import dataclass, field

import pytest
import torch
from torch import Tensor

from deepdrr._snapshot import Kept, Snapshot, wants_grad


class Owner:
    pass


@dataclass(frozen=True, eq=False)
class Model:
    method: str
    contrast: dict[str, Tensor] = field(default_factory=dict)
    factor: float = field(default=1.0, compare=False)


class TestSnapshot:
    def test_a_write_is_a_change(self) -> None:
        voxels = torch.zeros(4)
        before = Snapshot(voxels)
        assert before == Snapshot(voxels)
        voxels[0] = 1.0
        assert before != Snapshot(voxels)

    def test_another_tensor_of_equal_values_is_a_change(self) -> None:
        assert Snapshot(torch.zeros(2)) != Snapshot(torch.zeros(2))

    def test_new_storage_under_the_same_tensor_is_a_change(self) -> None:
        voxels = torch.zeros(4)
        before = Snapshot(voxels)
        voxels.data = torch.zeros(4)
        assert before != Snapshot(voxels)

    def test_dataclasses_and_mappings_are_looked_into(self) -> None:
        iodine = torch.zeros(3)
        before = Snapshot(Model("continuous", {"iodine": iodine}))
        assert before == Snapshot(Model("continuous", {"iodine": iodine}))
        assert before != Snapshot(Model("three_class", {"iodine": iodine}))
        iodine += 1.0
        assert before != Snapshot(Model("continuous", {"iodine": iodine}))

    def test_a_field_that_is_not_compared_is_no_change(self) -> None:
        assert Snapshot(Model("continuous", factor=1.0)) == Snapshot(Model("continuous", factor=2.0))

    def test_where_torch_counts_no_writes_nothing_is_the_same(self) -> None:
        with torch.inference_mode():
            voxels = torch.zeros(2)
        assert Snapshot(voxels) != Snapshot(voxels)

    def test_no_tensor_is_kept_alive(self) -> None:
        voxels = torch.zeros(2)
        before, again = Snapshot(voxels), Snapshot(voxels)
        assert before == again
        del voxels
        gc.collect()
        assert before != again


class TestKept:
    def test_made_once_per_change(self) -> None:
        kept, owner, voxels, made = Kept(), Owner(), torch.zeros(2), []
        for _ in range(3):
            kept.get(owner, "sum", Snapshot(voxels), lambda: made.append(1))
        voxels += 1.0
        kept.get(owner, "sum", Snapshot(voxels), lambda: made.append(1))
        assert len(made) == 2

    def test_names_and_owners_are_apart(self) -> None:
        kept, one, other = Kept(), Owner(), Owner()
        assert kept.get(one, "a", Snapshot(), lambda: 1) == 1
        assert kept.get(one, "b", Snapshot(), lambda: 2) == 2
        assert kept.get(other, "a", Snapshot(), lambda: 3) == 3
        assert kept.get(one, "a", Snapshot(), lambda: 4) == 1

    def test_what_was_made_goes_with_its_owner(self) -> None:
        kept, owner = Kept(), Owner()
        kept.get(owner, "a", Snapshot(), lambda: torch.zeros(2))
        assert len(kept) == 1
        del owner
        gc.collect()
        assert len(kept) == 0

    def test_a_failure_keeps_nothing(self) -> None:
        kept, owner = Kept(), Owner()
        with pytest.raises(ZeroDivisionError):
            kept.get(owner, "a", Snapshot(), lambda: 1 // 0)
        assert kept.get(owner, "a", Snapshot(), lambda: 1) == 1

    def test_a_copy_holds_nothing(self) -> None:
        kept, owner = Kept(), Owner()
        kept.get(owner, "a", Snapshot(torch.zeros(1)), lambda: torch.zeros(2))
        for copied in (copy.deepcopy(kept), pickle.loads(pickle.dumps(kept))):
            assert len(copied) == 0
        assert len(kept) == 1

    def test_what_inference_mode_made_is_good_for_autograd(self) -> None:
        kept, owner = Kept(), Owner()
        with torch.inference_mode():
            kept.get(owner, "a", Snapshot(), lambda: torch.ones(2))
        leaf = torch.ones(2, requires_grad=True)
        (leaf * kept.get(owner, "a", Snapshot(), lambda: torch.zeros(2))).sum().backward()
        assert leaf.grad is not None
        assert leaf.grad.tolist() == [1.0, 1.0]


def test_wants_grad() -> None:
    leaf = torch.zeros(1, requires_grad=True)
    assert wants_grad(1.0, leaf)
    assert wants_grad({"iodine": leaf})
    assert not wants_grad(None, torch.zeros(1), {"iodine": torch.zeros(1)})
    with torch.no_grad():
        assert not wants_grad(leaf)
