"""`LabeledImage`: one image with all that is known of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from deepdrr.annotations import (
    ImageAnnotations,
    ProjectedAnnotations,
    Structures,
    image_annotations,
    project_annotations,
    structures_of,
)
from deepdrr.dataset._patient import Patient
from deepdrr.dataset._plan import ImagePlan, Plan
from deepdrr.dataset._poses import DrawnPose, draw_pose
from deepdrr.dataset._streams import noise_seed, stream
from deepdrr.detector import PANELS
from deepdrr.projector import Projector, Radiograph, Technique

__all__ = ["LabeledImage", "make_sample"]


@dataclass(frozen=True, eq=False)
class LabeledImage:
    """One image of a data set.

    Attributes:
        index: its number.
        image: [H, W], uint8 or uint16 as displayed, or float32 values.
        notes: masks, boxes and landmarks.
        record: all numbers: patient, geometry, technique, landmarks, boxes; plain values for JSON.
    """

    index: int
    image: NDArray[Any]
    notes: ImageAnnotations
    record: dict[str, Any]


def make_sample(plan: Plan, patient: Patient, index: int) -> LabeledImage:
    """Sample `index` of a plan: a function of the plan, its seed and the index alone.

    Args:
        plan: the plan.
        patient: the one that `plan.patient_of(index)` names, loaded.
        index: number of the sample.

    Raises:
        NoPose: if no pose was accepted.
        ValueError: if index or patient are not of this plan.
    """
    if not 0 <= index < plan.count:
        raise ValueError(f"index must be 0 to {plan.count - 1}, got {index}")
    if patient.name != plan.patient_of(index):
        raise ValueError(f"patient must be {plan.patient_of(index)!r} for sample {index}, got {patient.name!r}")
    drawn = draw_pose(plan, patient, index)
    projector = Projector(patient.scene, carm=drawn.camera, technique=_technique(plan, index))
    results, noise = _results(plan, patient)
    generator = torch.Generator().manual_seed(noise_seed(plan.seed, index)) if noise else None
    with torch.no_grad():
        shot = projector.project(*results, labels=patient.labels, generator=generator)
        found = structures_of(shot, [patient.volume], hulls=patient.hulls) if "label_path_lengths" in results else None
        place = patient.volume.world_from_anatomical
        seen = project_annotations(
            patient.volume.annotations, drawn.camera, world_from_annotations=place, scene=patient.scene
        )
    notes = image_annotations(found, seen, height=drawn.camera.height, width=drawn.camera.width)
    record = _record(plan, patient, index, drawn, projector.technique)
    record |= {"landmarks": _landmarks(seen), "structures": _structures(found, notes)}
    return LabeledImage(index, _image(shot, results[0], plan.results.image), notes, record)


def _technique(plan: Plan, index: int) -> Technique:
    generator, given = stream(plan.seed, index, "technique"), plan.technique
    kvp, mas = given.kvp.draw(generator), given.mas.draw(generator)
    return Technique(detector=PANELS[given.panel]).changed(kvp=float(kvp), mas=float(mas))


def _results(plan: Plan, patient: Patient) -> tuple[tuple[str, ...], bool]:
    """The results of the projector that a sample needs, the image first; and whether they have noise."""
    values, noise = plan.results.image.values, plan.technique.noise
    image = "line_integrals" if values == "line_integrals" else "image" if noise else "expected_image"
    also = ("open_field",) if values == "picture" else ()
    labels = ("label_path_lengths",) if patient.volume.labels is not None else ()
    return (image, *also, *labels), image == "image"


def _image(shot: Radiograph, name: str, plan: ImagePlan) -> NDArray[Any]:
    if plan.values == "picture":
        picture: NDArray[Any] = shot.picture(name, plan.processing, "uint8" if plan.bits == 8 else "uint16")
        return picture
    values: NDArray[np.float32] = shot[name].float().cpu().numpy()
    return values


def _record(plan: Plan, patient: Patient, index: int, drawn: DrawnPose, technique: Technique) -> dict[str, Any]:
    camera, exposure = drawn.camera, technique.exposure
    isocenter = patient.volume.anatomical_from_world[:3] @ torch.tensor(
        [*drawn.pose.isocenter, 1.0], dtype=torch.float64
    )
    return {
        "index": index,
        "patient": patient.name,
        "split": patient.plan.split,
        "seed": plan.seed,
        "pose": {
            "alpha_deg": drawn.pose.alpha_deg,
            "beta_deg": drawn.pose.beta_deg,
            "gamma_deg": drawn.pose.gamma_deg,
            "isocenter_ras_mm": isocenter.tolist(),
            "viewed_from": drawn.viewed_from,
            "attempts": drawn.attempts,
        },
        "camera": {
            "height": camera.height,
            "width": camera.width,
            "intrinsics": camera.intrinsics.tolist(),
            "camera_from_world": camera.camera_from_world.tolist(),
            "sdd_mm": float(camera.sdd_mm),
            "world_from_ras": patient.volume.world_from_anatomical.tolist(),
        },
        "technique": {
            "kvp": float(technique.spectrum.kvp or 0.0),
            "mas": None if exposure is None else exposure.mas,
            "panel": plan.technique.panel,
            "noise": plan.technique.noise,
        },
    }


def _landmarks(seen: ProjectedAnnotations) -> list[dict[str, Any]]:
    rows = zip(seen.names, seen.pixels.tolist(), seen.depth_mm.tolist(), seen.visibility.tolist(), strict=True)
    return [
        {"name": name, "uv": _or_none(pixel), "depth_mm": _or_none([depth])[0], "visibility": visibility}
        for name, pixel, depth, visibility in rows
    ]


def _structures(found: Structures | None, notes: ImageAnnotations) -> list[dict[str, Any]]:
    if found is None:
        return []
    rows = zip(notes.structures, notes.masks, notes.boxes.tolist(), notes.amodal_boxes.tolist(), strict=True)
    return [
        {"name": name, "pixels": int(mask.sum()), "box": _or_none(box), "amodal_box": _or_none(amodal)}
        for name, mask, box, amodal in rows
    ]


def _or_none(numbers: list[float]) -> list[float | None]:
    """JSON has no NaN."""
    return [None if number != number else number for number in numbers]
