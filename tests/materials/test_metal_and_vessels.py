"""Metal that no label names is told; labelled vessels with contrast medium are blood with iodine."""

import warnings
from typing import Any

import pytest
import torch
from torch.testing import assert_close

from deepdrr import Volume
from deepdrr.materials import (
    IodineAbove,
    MaterialModel,
    as_material,
    decompose,
    effective_mass_attenuation,
    hu_from_density,
    iodine_contrast,
)
from deepdrr.materials._contrast import IOHEXOL

BLOOD_HU = hu_from_density("blood", 1.06)


def quietly(model: MaterialModel, *args: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.densities_of(*args)


class TestMetal:
    HU = torch.tensor([-1000.0, 40.0, 2999.0, 3000.0, 3071.0, 8000.0])
    LABELS = torch.tensor([0, 0, 0, 1, 1, 2])

    @pytest.mark.parametrize(
        ("labels", "by_label", "count"),
        [(None, {}, 3), (LABELS, {}, 3), (LABELS, {1: "titanium"}, 1), (LABELS, {2: "stainless steel"}, 2)],
    )
    @pytest.mark.parametrize("method", ["continuous", "three_class"])
    def test_voxels_that_no_label_names(self, labels: Any, by_label: Any, count: int, method: Any) -> None:
        model = MaterialModel(method=method, by_label=by_label)
        with pytest.warns(
            UserWarning, match=rf"^{count} voxels are at or above 3000 HU.* by_label=\{{label: 'titanium'"
        ):
            model.densities_of(self.HU, labels)

    def test_what_does_not_warn(self) -> None:
        quietly(MaterialModel(), self.HU[:3])
        quietly(MaterialModel(by_label={1: "titanium", 2: "gold"}), self.HU, self.LABELS)
        quietly(MaterialModel(assume="bone"), self.HU)
        quietly(MaterialModel(), self.HU[:0])

    def test_labels_by_name(self) -> None:
        hu = torch.full((4, 4, 4), 40.0)
        labels = torch.zeros(4, 4, 4, dtype=torch.int16)
        labels[2:] = 7
        ct = Volume.from_array(hu, torch.eye(4), check_hu="off").with_labels(labels, {7: "stem"})
        by_name, by_number = (MaterialModel(by_label={one: "titanium"}) for one in ("stem", 7))
        found, expected = by_name.densities(ct), by_number.densities(ct)
        assert found.materials == expected.materials
        assert_close(found.values, expected.values, rtol=0.0, atol=0.0)
        with pytest.raises(ValueError, match="unknown label 'stam'; did you mean 'stem'"):
            MaterialModel(by_label={"stam": "titanium"}).densities(ct)
        with pytest.raises(ValueError, match="unknown label 'stem'"):  # no names without a volume
            by_name.densities_of(hu, labels)

    @pytest.mark.parametrize(
        ("material", "metal"),
        [("titanium", True), ("stainless steel", True), ("gold", True), ("cortical bone", False), ("water", False)],
    )
    def test_what_is_a_metal(self, material: str, metal: bool) -> None:
        assert as_material(material).is_metal == metal
        assert not iodine_contrast(300.0).is_metal

    def test_words_that_are_accepted(self) -> None:
        with pytest.raises(ValueError, match="assume must be 'bone' or None, got 'metal'"):
            MaterialModel(assume="metal")  # type: ignore[arg-type]


class TestVessels:
    @pytest.mark.parametrize("ct_kvp", [80.0, 120.0])
    def test_the_iodine_that_was_there(self, ct_kvp: float) -> None:
        """A mixture's HU in the CT give its own iodine and blood again."""
        mixture = iodine_contrast(12.0, base="blood")
        hu = torch.tensor([hu_from_density(mixture, mixture.density_g_cm3, ct_kvp=ct_kvp)])
        found = decompose(hu, ct_kvp=ct_kvp, labels=torch.tensor([7]), label_materials={7: IodineAbove()})
        # Densities are float32; HU of 400 in float32 are exact to 1e-7 of the whole.
        assert_close(found.of(IOHEXOL) * IOHEXOL.composition["I"], torch.tensor([0.012]), rtol=1e-4, atol=0.0)
        assert_close(found.values.sum(), torch.tensor(mixture.density_g_cm3), check_dtype=False, rtol=1e-5, atol=0.0)

    def test_each_voxel_keeps_its_hu(self) -> None:
        hu = torch.linspace(60.0, 1500.0, 9)
        found = decompose(hu, labels=torch.ones(9, dtype=torch.uint8), label_materials={1: IodineAbove()})
        mu = sum(effective_mass_attenuation(m) * v for m, v in zip(found.materials, found.values, strict=True))
        assert_close(1000 * (mu / effective_mass_attenuation("water") - 1), hu, rtol=1e-4, atol=1e-2)

    def test_blood_and_what_is_below_it_follow_the_method(self) -> None:
        hu, labels = torch.tensor([-80.0, 20.0, BLOOD_HU - 0.1, 300.0]), torch.tensor([1, 1, 1, 0])
        found = decompose(hu, labels=labels, label_materials={1: IodineAbove()})
        assert_close(found.values[:3], decompose(hu).values)
        assert not found.of(IOHEXOL).any()

    def test_gradient_with_respect_to_hu(self) -> None:
        hu = torch.tensor([300.0], requires_grad=True)
        found = decompose(hu, labels=torch.tensor([1]), label_materials={1: IodineAbove()})
        (gradient,) = torch.autograd.grad(found.of(IOHEXOL).sum(), hu)
        step = decompose(torch.tensor([310.0]), labels=torch.tensor([1]), label_materials={1: IodineAbove()})
        # The density is linear in HU; float32 leaves 1e-7 of 0.02 over a difference of 5e-4.
        assert_close(gradient, (step.of(IOHEXOL) - found.of(IOHEXOL).detach()) / 10, rtol=1e-3, atol=0.0)

    def test_metal_in_a_vessel_is_refused(self) -> None:
        with pytest.raises(ValueError, match="must be below the HU of the pure medium, got 1e\\+06 HU"):
            decompose(torch.tensor([1e6]), labels=torch.tensor([1]), label_materials={1: IodineAbove()})
