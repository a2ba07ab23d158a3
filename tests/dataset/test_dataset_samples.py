"""Sample i is a function of plan, seed and i; poses are where the plan says."""

import json
import math
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import torch
from dataset_phantom import PLAN
from PIL import Image

from deepdrr.annotations import read_mask_planes
from deepdrr.camera import Camera
from deepdrr.dataset import (
    ConePlan,
    NoPose,
    Patient,
    Plan,
    PosePlan,
    TargetPlan,
    ViewsPlan,
    distribution_of,
    draw_pose,
    encoded,
    load_patient,
    make_sample,
    read_plan,
)
from deepdrr.device import view
from deepdrr.geometry import carm_direction


@pytest.fixture
def plan(plan_file: Path) -> Plan:
    return read_plan(plan_file)


@pytest.fixture
def patient(plan: Plan) -> Patient:
    return load_patient(plan, "short")


class TestSample:
    """What a sample is, and on what it depends."""

    def test_the_same_bytes_in_any_order_and_on_any_number_of_threads(self, plan: Plan, patient: Patient) -> None:
        first = {i: encoded(plan, make_sample(plan, patient, i)) for i in (0, 1, 2)}
        threads = torch.get_num_threads()
        torch.set_num_threads(threads + 1)
        try:
            again = {i: encoded(plan, make_sample(plan, load_patient(plan, "short"), i)) for i in (2, 0)}
        finally:
            torch.set_num_threads(threads)
        assert all(again[i] == first[i] for i in again)
        assert len({files["image.png"] for files in first.values()}) == 3

    def test_another_seed_is_another_sample_and_another_count_is_not(self, plan: Plan, patient: Patient) -> None:
        sample = encoded(plan, make_sample(plan, patient, 1))
        assert encoded(plan, make_sample(replace(plan, seed=8), patient, 1))["image.png"] != sample["image.png"]
        assert encoded(plan, make_sample(replace(plan, count=300), patient, 1)) == sample

    def test_a_draw_more_leaves_all_others_as_they_were(self, plan: Plan, patient: Patient) -> None:
        fixed = replace(plan, technique=replace(plan.technique, mas=distribution_of(2)))
        before, after = (make_sample(one, patient, 1).record for one in (plan, fixed))
        assert before["pose"] == after["pose"]
        assert before["technique"]["kvp"] == after["technique"]["kvp"]

    def test_the_record_describes_the_image(self, plan: Plan, patient: Patient, tmp_path: Path) -> None:
        files = encoded(plan, make_sample(plan, patient, 2))
        record = json.loads(files["json"])
        image = np.asarray(Image.open(BytesIO(files["image.png"])))
        assert (image.shape, image.dtype) == ((32, 32), np.uint16)
        (tmp_path / "masks.png").write_bytes(files["masks.png"])
        names, masks = read_mask_planes([tmp_path / "masks.png"])
        assert names == ("rod", "nail")
        assert [entry["pixels"] for entry in record["structures"]] == masks.sum((1, 2)).tolist()
        stored = record["camera"]
        camera = Camera(
            torch.tensor(stored["intrinsics"], dtype=torch.float64),
            torch.tensor(stored["camera_from_world"], dtype=torch.float64),
            torch.tensor(stored["sdd_mm"], dtype=torch.float64),
            stored["height"],
            stored["width"],
        )
        place = torch.tensor(stored["world_from_ras"], dtype=torch.float64)
        for entry in record["landmarks"]:
            point = place[:3, :3] @ patient.volume.landmarks[entry["name"]] + place[:3, 3]
            assert camera.project_points(point).tolist() == pytest.approx(entry["uv"], abs=1e-9)
        assert record["technique"]["kvp"] == pytest.approx(80, abs=20)

    @pytest.mark.parametrize(("values", "kind"), [("signal", "image.tiff"), ("line_integrals", "image.tiff")])
    def test_raw_values(self, values: str, kind: str, plan: Plan, patient: Patient) -> None:
        image = replace(plan.results.image, values=values)
        raw = replace(plan, results=replace(plan.results, image=image, masks=False))
        files = encoded(raw, make_sample(raw, patient, 0))
        assert set(files) == {kind, "json"}
        assert np.asarray(Image.open(BytesIO(files[kind]))).dtype == np.float32

    def test_bad_input(self, plan: Plan, patient: Patient) -> None:
        with pytest.raises(ValueError, match="index must be 0 to 11, got 12"):
            make_sample(plan, patient, 12)
        with pytest.raises(ValueError, match="patient must be 'tall' for sample 3, got 'short'"):
            make_sample(plan, patient, 3)


class TestPoses:
    """Where the C-arm stands."""

    def test_angles_and_the_ball_about_the_landmark(self, plan: Plan, patient: Patient) -> None:
        poses = [draw_pose(plan, patient, i).pose for i in range(200)]
        alphas, betas = (np.array([getattr(pose, name) for pose in poses]) for name in ("alpha_deg", "beta_deg"))
        assert -40 <= alphas.min() < -35
        assert 35 < alphas.max() <= 40
        assert np.abs(betas).max() <= 20
        tip = patient.volume.landmark_in_world("tip").numpy()
        distances = np.linalg.norm(np.array([pose.isocenter for pose in poses]) - tip, axis=1)
        assert 9 < distances.max() <= 10
        assert np.median(distances) == pytest.approx(10 * 0.5 ** (1 / 3), abs=0.5)  # half of the volume; 3 sd of 200

    def test_a_cone_has_its_axis_and_its_angle(self, plan: Plan, patient: Patient) -> None:
        narrow = replace(plan, pose=PosePlan(cone=ConePlan(about="inlet", half_angle_deg=25.0)))
        poses = [draw_pose(narrow, patient, i).pose for i in range(200)]
        beams = torch.stack([carm_direction(pose.alpha_deg, pose.beta_deg) for pose in poses])
        cosines = (beams @ view("inlet").beam_anatomical).numpy()
        assert cosines.min() >= math.cos(math.radians(25.0)) - 1e-12
        assert cosines.mean() == pytest.approx((1 + math.cos(math.radians(25.0))) / 2, abs=0.006)  # uniform; 3 sd

    def test_views_with_jitter(self, plan: Plan, patient: Patient) -> None:
        jitter = distribution_of({"uniform": [-2, 2]})
        near = replace(plan, pose=PosePlan(views=ViewsPlan(names=("PA", "left lateral"), jitter_deg=jitter)))
        poses = [draw_pose(near, patient, i) for i in range(40)]
        assert {drawn.viewed_from for drawn in poses} == {"detector"}
        assert {round(drawn.pose.alpha_deg / 90) for drawn in poses} == {0, 1}
        assert all(min(abs(drawn.pose.alpha_deg), abs(drawn.pose.alpha_deg - 90)) <= 2 for drawn in poses)

    def test_the_centre_of_a_structure(self, plan: Plan, patient: Patient) -> None:
        aimed = replace(plan, pose=PosePlan(target=TargetPlan(structure="nail")))
        isocenter = torch.tensor(draw_pose(aimed, patient, 0).pose.isocenter, dtype=torch.float64)
        ras = patient.volume.anatomical_from_world[:3, :3] @ isocenter + patient.volume.anatomical_from_world[:3, 3]
        torch.testing.assert_close(ras, torch.tensor([13.0, 13.0, 23.0], dtype=torch.float64))
        with pytest.raises(ValueError, match="unknown structure 'nails'; did you mean 'nail'"):
            draw_pose(replace(plan, pose=PosePlan(target=TargetPlan(structure="nails"))), patient, 0)

    def test_poses_are_drawn_again_until_the_landmark_is_in_view(self, plan: Plan, patient: Patient) -> None:
        wide = replace(plan.pose, target=TargetPlan(landmark="tip", ball_mm=300.0), in_view=("nail",))
        drawn = [draw_pose(replace(plan, pose=wide), patient, i) for i in range(20)]
        assert max(pose.attempts for pose in drawn) > 1
        for pose in drawn:
            u, v = pose.camera.project_points(patient.volume.landmark_in_world("nail")).tolist()
            assert 0 <= u <= 32
            assert 0 <= v <= 32

    def test_a_pose_that_nobody_accepts_says_why(self, plan: Plan, patient: Patient) -> None:
        never = replace(plan, pose=PosePlan(attempts=5), carm=replace(plan.carm, sid_mm=1.0))
        with pytest.raises(NoPose, match="no pose was accepted in 5 attempts: the source in the body in 5"):
            draw_pose(never, patient, 0)


def test_labels_and_landmarks_that_are_not_there(plan_file: Path) -> None:
    without = PLAN.replace("labels: short_labels.nii.gz, ", "")
    plan_file.write_text(without)
    with pytest.raises(ValueError, match="patient 'short' must have labels for label_names and label_materials"):
        load_patient(read_plan(plan_file), "short")
    plan_file.write_text(PLAN + "results: {structures: [rods]}\n")
    with pytest.raises(ValueError, match="unknown label 'rods'; did you mean 'rod'"):
        load_patient(read_plan(plan_file), "short")


def test_landmarks_of_the_plan_that_a_patient_does_not_have(plan_file: Path) -> None:
    plan_file.write_text(PLAN.replace("landmark: tip", "landmark: tipp"))
    with pytest.raises(ValueError, match="patient 'short': unknown landmark 'tipp'; did you mean 'tip'"):
        load_patient(read_plan(plan_file), "short")
