"""Scene files: what is written is read again, and what is wrong is a sentence with file, line and key."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from deepdrr import MobileCArm, Projector, Volume
from deepdrr.detector import IdealCounter
from deepdrr.montecarlo import MonteCarlo
from deepdrr.projector import Scene, Technique, read_scene, write_scene
from deepdrr.projector.scene_file import Section, place_tool
from deepdrr.tools import Tool
from deepdrr.tools.generators import NailHole

WHOLE = """
volumes:
  patient:
    file: ct.nii.gz
    supine: false
tools:
  wire:
    kind: k-wire
    dimensions: {diameter_mm: 2.5, length_mm: 90}
    material: Ti-6Al-4V
    attached_to: patient
    insert: {entry: [10, 10, 10], target: [10, 10, 20], depth_mm: 3}
  marker:
    kind: ball
    dimensions: {diameter_mm: 4}
    attached_to: wire
    parent_from_tool: [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, -20], [0, 0, 0, 1]]
    priority: 2
  contrast:
    kind: tube
    dimensions: {points_mm: [[0, 0, 0], [0, 0, 20]], diameter_mm: 3}
    material: {iodine_mg_per_ml: 20}
    mode: add
    scale: 2
    align: {tip: [0, 0, 0], direction: [1, 0, 0]}
carm: {alpha_deg: 30, isocenter: [0, 0, 5], geometry: {height: 64, width: 48, pixel_mm: 4.0}}
technique: {kvp: 70, mas: 2, panel: CMOS, focal_spot_mm: 0.6, step_mm: 1}
rules: [[wire, contrast, add]]
beyond: repeat
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    hu = torch.full((12, 12, 12), -1000.0)
    hu[1:-1, 1:-1, 1:-1] = 0.0
    hu[4:8, :, 4:8] = 500.0
    affine = torch.diag(torch.tensor([3.0, 3, 3, 1]))
    Volume.from_array(hu, affine).save(tmp_path / "ct.nii.gz")
    return tmp_path


def written(folder: Path, text: str) -> Path:
    (folder / "scene.yaml").write_text(text, encoding="utf-8")
    return folder / "scene.yaml"


def test_everything_is_where_the_file_says(folder: Path) -> None:
    projector = read_scene(written(folder, WHOLE))
    (patient,), (wire, marker, contrast) = projector.scene.volumes, projector.scene.solids
    assert isinstance(wire, Tool)
    assert (wire.name, wire.material.name, wire.parent) == ("wire", "titanium alloy", patient)
    tip = patient.world_from_anatomical @ torch.tensor([10.0, 10, 13, 1], dtype=torch.float64)  # RAS: it hangs on it
    assert_close(wire.point_in_world("tip"), tip[:3])
    assert isinstance(marker, Tool)
    assert_close(marker.point_in_world("center"), wire.point_in_world("tip") - 20 * wire.direction_in_world)
    assert (marker.priority, contrast.mode, float(contrast.scale)) == (2, "add", 2.0)
    assert contrast.material.name == "20 mg/ml iodine in blood"
    assert (projector.carm.alpha_deg, projector.camera.height, projector.kvp, projector.mas) == (30, 64, 70.0, 2)
    assert projector.scene.beyond == "repeat"
    assert projector.scene.rules == {("wire", "contrast"): "add"}
    assert projector().shape == (64, 48)


def test_a_scene_that_is_written_is_read_again(folder: Path) -> None:
    first = read_scene(written(folder, WHOLE.replace("{iodine_mg_per_ml: 20}", "titanium")))
    second = read_scene(write_scene(first, folder / "again.yaml"))
    assert "file: ct.nii.gz" in (folder / "again.yaml").read_text()
    assert_close(second(), first(), rtol=1e-6, atol=0)  # poses are written with all digits
    assert [repr(solid) for solid in second.scene.solids] == [repr(solid) for solid in first.scene.solids]
    assert (second.technique.detector, second.technique.integration) == (
        first.technique.detector,
        first.technique.integration,
    )
    again = write_scene(second, folder / "third.yaml")
    assert again.read_text() == (folder / "again.yaml").read_text()


def test_defaults_are_those_of_the_classes(folder: Path) -> None:
    projector = read_scene(written(folder, "volumes: {patient: {file: ct.nii.gz}}"))
    assert projector.camera.height == MobileCArm().camera.height
    assert projector.technique.exposure == Technique().exposure
    view = read_scene(written(folder, "volumes: {p: {file: ct.nii.gz}}\ncarm: {view: AP, binning: 8}"))
    assert view.camera.height == MobileCArm().camera.height // 8


WRONG = {
    "unknown field": ("tols: {}", "line 1, tols: unknown field 'tols'; did you mean 'tools'"),
    "in a tool": (
        "tools:\n  wire:\n    knd: k-wire",
        "line 3, tools.wire.knd: unknown field 'knd'; did you mean 'kind'",
    ),
    "kind": ("tools:\n  a: {kind: kwire}", "line 2, tools.a.kind: unknown kind of tool 'kwire'; did you mean 'k-wire'"),
    "dimension": (
        "tools:\n  a:\n    kind: k-wire\n    dimensions: {diametr_mm: 2}",
        "line 4, tools.a.dimensions: unknown dimension of a k-wire 'diametr_mm'; did you mean 'diameter_mm'",
    ),
    "material": (
        "tools:\n  a: {kind: ball, material: titanum}",
        "line 2, tools.a.material: unknown material 'titanum'; did you mean 'titanium'",
    ),
    "density": (
        "tools:\n  a:\n    kind: ball\n    density_g_cm3: -1",
        "line 4, tools.a.density_g_cm3: density_g_cm3 must",
    ),
    "beyond": ("tools: {a: {kind: ball}}\nbeyond: nothing", "line 2, beyond: beyond must be one of air, repeat, fade"),
    "said once": (
        "tools:\n  a: {kind: ball, align: {tip: [0, 0, 0]}}",
        r"^\S+, line 2, tools.a.align: must have direction",
    ),
    "neither": ("tools:\n  a: {material: steel}", "line 2, tools.a: must have a file or a kind"),
    "both": ("tools:\n  a: {kind: ball, file: a.stl}", "tools.a.kind: must not be given beside file"),
    "no material": ("tools:\n  a: {file: a.stl}", "tools.a: must have a material"),
    "missing CT": ("volumes:\n  p: {file: no.nii.gz}", "line 2, volumes.p.file: .*no.nii.gz"),
    "no file": ("volumes:\n  p: {supine: true}", "line 2, volumes.p: must have file, got supine"),
    "on": (
        "tools:\n  a: {kind: ball, attached_to: b}",
        "tools.a.attached_to: unknown volume, or tool before it, 'b'; there are none",
    ),
    "two places": (
        "tools:\n  a:\n    kind: ball\n    world_from_tool: []\n    align: {}",
        "line 4, tools.a.world_from_tool: must not be given beside align",
    ),
    "not rigid": (
        "tools:\n  a:\n    kind: ball\n    world_from_tool: [[2, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]",
        "line 4, tools.a.world_from_tool: world_from_tool must be a rotation",
    ),
    "half a place": ("tools:\n  a:\n    kind: ball\n    align: {tip: [0, 0, 0]}", "must have direction, got tip"),
    "no parent": ("tools:\n  a: {kind: ball, parent_from_tool: []}", "needs what the tool hangs on"),
    "voltage": ("technique:\n  kvp: 4000", "line 2, technique.kvp: "),
    "two exposures": ("technique: {mas: 1, air_kerma_ngy: 2}", "technique.air_kerma_ngy: must not be given beside mas"),
    "panel": ("technique: {panel: CMS}", "technique.panel: unknown panel 'CMS'; did you mean 'CMOS'"),
    "view": ("carm: {view: inlett}", "carm.view: unknown view 'inlett'; did you mean 'inlet'"),
    "view and angles": ("carm: {view: AP, alpha_deg: 3}", "carm.alpha_deg: must not be given beside view"),
    "rule": ("tools:\n  a: {kind: ball}\nrules: [[a, b]]", "line 3, rules: must be .tool, tool, which is there., got"),
    "a list": ("tools: [1]", "line 1, tools: must hold fields and their values"),
    "no YAML": ("tools: [1", "must be JSON or YAML, line 1"),
    "nothing": ("", "is empty"),
    "only comments": ("# nothing", "at least one"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_named_with_file_line_and_key(case: str, folder: Path) -> None:
    text, sentence = WRONG[case]
    with pytest.raises((ValueError, OSError), match=sentence) as caught:
        read_scene(written(folder, text))
    assert "scene.yaml" in str(caught.value) or case == "no YAML"


def test_scatter_has_a_name(folder: Path) -> None:
    projector = read_scene(written(folder, "volumes: {p: {file: ct.nii.gz}}\ntechnique: {scatter: monte carlo}"))
    assert projector.technique.scatter == Technique(scatter="monte carlo").scatter
    assert "scatter: monte carlo" in write_scene(projector, folder / "again.yaml").read_text()
    with pytest.raises(
        ValueError, match=r"technique\.scatter: unknown scatter model 'monte'; did you mean 'monte carlo'"
    ):
        read_scene(written(folder, "technique: {scatter: monte}"))


def test_a_pose_alone_is_the_same_words(folder: Path) -> None:
    (folder / "pose.json").write_text('{"align": {"tip": [1, 2, 3], "direction": [0, 1, 0]}}')
    tool = Tool.make("k-wire")
    place_tool(tool, Section.of(folder / "pose.json"))
    assert_close(tool.point_in_world("tip"), torch.tensor([1.0, 2, 3], dtype=torch.float64))


def test_dimensions_of_numpy_and_torch_and_names_like_a_volumes_are_read_again(folder: Path) -> None:
    points = torch.tensor([[0.0, 0.0, 0.0], [0.0, 5.0, 20.0], [0.0, 0.0, 40.0]])
    tube = Tool.make("tube", points_mm=points, diameter_mm=np.float32(2.0), name="patient")
    other = Tool.make("tube", points_mm=points.numpy(), diameter_mm=2, name="patient_")
    ct = Volume.from_file(folder / "ct.nii.gz")
    tube.attach(ct)
    path = write_scene(Projector([ct, tube, other], carm=MobileCArm()), folder / "again.yaml")
    again = read_scene(path).scene
    assert [tool.name for tool in again.solids] == ["patient", "patient_"]
    assert again.solids[0].parent is again.volumes[0]
    for tool in again.solids:
        assert torch.equal(tool.mesh.vertices, tube.mesh.vertices)
    nail = Tool.make("nail", holes=[NailHole(20.0, 5.0)])
    with pytest.raises(ValueError, match=r"holes must be numbers or words to be written in a scene file, got NailHole"):
        write_scene(Projector(nail, carm=MobileCArm()), path)


def test_what_a_scene_file_has_no_word_for_is_refused(folder: Path) -> None:
    ct = Volume.from_file(folder / "ct.nii.gz")
    carm = MobileCArm()
    cases = [
        (Projector(ct, carm=carm, detector=IdealCounter()), "detector must be one that a scene file has a word for"),
        (Projector(Volume.from_array(ct.hu, torch.eye(4)), carm=carm), "a volume must come from a file"),
        (Projector([ct, Tool(Tool.make("ball").mesh, "steel")], carm=carm), "a tool must be of a kind or from a file"),
        (Projector(Scene(ct, materials="three_class", overlap="add"), carm=carm), None),
    ]
    for projector, sentence in cases:
        if sentence is None:
            assert read_scene(write_scene(projector, folder / "b.yaml")).scene.overlap == "add"
            continue
        with pytest.raises(ValueError, match=sentence):
            write_scene(projector, folder / "b.yaml")
    with pytest.raises(TypeError, match="carm must be a MobileCArm"):
        write_scene(Projector(ct, carm=carm.camera), folder / "b.yaml")


def test_monte_carlo_has_its_fields(folder: Path) -> None:
    text = "volumes: {p: {file: ct.nii.gz}}\ntechnique: {scatter: {histories: 2000, seed: 3}}"
    projector = read_scene(written(folder, text))
    assert projector.technique.scatter == MonteCarlo(histories=2000, seed=3)
    again = read_scene(write_scene(projector, folder / "again.yaml"))
    assert again.technique.scatter == projector.technique.scatter
    with pytest.raises(ValueError, match=r"technique.scatter.history: unknown field .*mean 'histories'"):
        read_scene(written(folder, text.replace("histories", "history")))
    with pytest.raises(ValueError, match=r"technique.scatter.histories: histories must be .*got 0"):
        read_scene(written(folder, text.replace("2000", "0")))


def test_a_place_is_said_once(folder: Path) -> None:
    with pytest.raises(ValueError, match="unknown field 'depth'") as told:
        read_scene(written(folder, WHOLE.replace("depth_mm", "depth")))
    assert str(told.value).count("line") == 1
