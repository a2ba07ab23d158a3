"""Materials: compositions, formulas, mixtures, names."""

import copy
import math
import pickle

import pytest

from deepdrr.materials import (
    Material,
    barium_contrast,
    compound,
    iodine_contrast,
    material,
    materials,
    mixture,
)


def test_every_registered_material_is_complete() -> None:
    for name in materials():
        found = material(name)
        assert found.name == name
        assert sum(found.composition.values()) == pytest.approx(1.0)
        assert 0.0001 < found.density_g_cm3 < 23
        assert found.source


PROMISED = """
air, lung, adipose, water, soft_tissue, muscle, blood, cortical-bone, trabecular_bone, aluminium, titanium, steel, iron,
copper, lead, tungsten, gold, PMMA, polyethylene, teflon, CsI, Gd2O2S, glass
"""


def test_the_promised_materials_exist() -> None:
    for name in PROMISED.split(","):
        assert material(name).density_g_cm3 > 0


def test_spelling_case_and_separators_do_not_matter() -> None:
    assert material("Aluminum") is material("aluminium") is material("Al")
    assert material("Cortical_Bone") is material("cortical bone") is material("bone")
    assert material("barium sulphate") is material("barium sulfate")


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ("Ti-6Al-4V", "titanium alloy"),
        ("Ti6Al7Nb", "titanium aluminium niobium"),
        ("316L", "stainless steel"),
        ("CoCr", "cobalt chromium"),
        ("NiTi", "nitinol"),
        ("Ta", "tantalum"),
        ("PEEK", "peek"),
        ("UHMWPE", "uhmwpe"),
        ("bone_cement", "bone cement"),
    ],
)
def test_implants_have_their_materials(asked: str, name: str) -> None:
    assert material(asked).name == name


def test_bone_cement_is_its_recipe() -> None:
    """4 g of barium sulfate in 58.8 g; its barium is 137.33 / 233.38 of it."""
    cement = material("bone cement")
    assert math.isclose(cement.composition["Ba"], 4 / 58.8 * 137.33 / 233.38, rel_tol=1e-3)  # weights to 5 digits
    volumes = 54.8 / material("pmma").density_g_cm3 + 4 / material("barium sulfate").density_g_cm3
    assert math.isclose(cement.density_g_cm3, 58.8 / volumes, rel_tol=5e-3)  # stated to 0.01 g/cm³


def test_unknown_name_suggests_names() -> None:
    with pytest.raises(ValueError, match="unknown material 'titanum'; did you mean 'titanium'"):
        material("titanum")
    with pytest.raises(ValueError, match="unknown material 'kryptonite'"):
        material("kryptonite")


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        ("H2O", {"H": 0.1119, "O": 0.8881}),
        ("Ca10(PO4)6(OH)2", {"Ca": 0.3989, "P": 0.1850, "O": 0.4141, "H": 0.0020}),
        ("Gd2O2S", {"Gd": 0.8308, "O": 0.0845, "S": 0.0847}),
        ("Cd0.9Zn0.1Te", {"Cd": 0.4299, "Zn": 0.0278, "Te": 0.5423}),
        ("Fe[C(H2)]2", {"Fe": 0.6656, "C": 0.2863, "H": 0.0481}),
    ],
)
def test_formula(formula: str, expected: dict[str, float]) -> None:
    found = compound(formula, 1.0).composition
    assert dict(found) == pytest.approx(expected, abs=1e-4)  # the expected fractions are rounded to 4 digits


@pytest.mark.parametrize("formula", ["", "h2o", "H2O)", "(H2O", "H2O!", "Xx2", "2H", "()", "(2H)O", "H-2", "H0"])
def test_formula_that_cannot_be_read(formula: str) -> None:
    with pytest.raises(ValueError, match=r"formula|element"):
        compound(formula, 1.0)


def test_mixture_is_by_weight() -> None:
    saline = mixture({material("water"): 99.1, compound("NaCl", 2.16): 0.9}, 1.005, "saline")
    assert saline.composition["Na"] == pytest.approx(0.009 * 22.990 / 58.44, rel=1e-3)
    assert sum(saline.composition.values()) == pytest.approx(1.0)


def test_iodine_contrast_holds_the_iodine_it_says() -> None:
    contrast = iodine_contrast(300)
    assert contrast.composition["I"] * contrast.density_g_cm3 * 1000 == pytest.approx(300)
    assert contrast.density_g_cm3 == pytest.approx(1.349, rel=0.005)  # labelled specific gravity of iohexol 300
    assert iodine_contrast(0, base="blood").composition == material("blood").composition


def test_barium_contrast_adds_volumes() -> None:
    contrast = barium_contrast(1000)  # 100 % w/v
    assert contrast.density_g_cm3 == pytest.approx(1.0 + (1 - 1 / 4.5))


@pytest.mark.parametrize("concentration", [-1.0, 5000.0, float("nan")])
def test_impossible_concentrations(concentration: float) -> None:
    with pytest.raises(ValueError, match="concentration"):
        iodine_contrast(concentration)


@pytest.mark.parametrize(
    ("composition", "density", "message"),
    [
        ({"H": 0.5, "O": 0.4}, 1.0, "sum to 1, got 0.9"),
        ({"H": 1.2, "O": -0.2}, 1.0, "O=-0.2"),
        ({"Qq": 1.0}, 1.0, "element must be .* got 'Qq'"),
        ({}, 1.0, "sum to 1, got 0"),
        ({"H": 1.0}, 0.0, "density_g_cm3"),
        ({"H": 1.0}, float("nan"), "density_g_cm3"),
    ],
)
def test_impossible_materials(composition: dict[str, float], density: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Material("x", composition, density)


def test_materials_are_values() -> None:
    water = material("water")
    assert pickle.loads(pickle.dumps(water)) == water == copy.deepcopy(water)
    assert water.with_density(0.92) != water
    assert {water: 1}[compound("H2O", 1.0, "water")] == 1
    with pytest.raises(TypeError):
        water.composition["H"] = 1.0  # type: ignore[index]
