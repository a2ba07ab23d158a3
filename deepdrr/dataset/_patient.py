"""A patient of a plan, loaded."""

from dataclasses import dataclass

import torch
from torch import Tensor

from deepdrr._names import unknown_name
from deepdrr.annotations import structure_hulls
from deepdrr.data import Volume
from deepdrr.dataset._plan import PatientPlan, Plan
from deepdrr.dataset._shards import digest
from deepdrr.geometry import transform_points
from deepdrr.materials import MaterialModel
from deepdrr.projector import LabelSelection, Scene

__all__ = ["Patient", "load_patient"]


@dataclass(frozen=True, eq=False)
class Patient:
    """A CT on the table, head first and supine, its centre in the world's origin.

    Attributes:
        name: what the data set calls it.
        plan: what the plan says of it.
        volume: the CT.
        scene: the CT with its materials; densities are kept.
        labels: the labels that have masks, or None for all.
        hulls: hull of each of them, RAS mm; empty without labels.
        digests: SHA-256 of the files, by what they are.
    """

    name: str
    plan: PatientPlan
    volume: Volume
    scene: Scene
    labels: LabelSelection
    hulls: dict[str, Tensor]
    digests: dict[str, str]

    def target_world(self, landmark: str | None, structure: str | None) -> Tensor:
        """A landmark, the centre of a structure's voxels, or else the centre of the CT [3], world mm.

        Raises:
            ValueError: if there is no such landmark or structure; near names are shown.
        """
        if landmark is not None:
            return self.volume.landmark_in_world(landmark)
        if structure is None:
            return self.volume.center_in_world
        labels, names = self.volume.labels, self.volume.label_names
        chosen = [number for number, name in names.items() if structure in (name, str(number))]
        if labels is None or not chosen:
            raise unknown_name("structure", structure, names.values())
        voxels = torch.isin(labels, torch.tensor(chosen, dtype=labels.dtype)).nonzero()
        if not len(voxels):
            raise ValueError(f"structure must have voxels, {structure!r} has none")
        return transform_points(self.volume.world_from_ijk, voxels.double().mean(dim=0))


def load_patient(plan: Plan, name: str) -> Patient:
    """Load a patient.

    Raises:
        OSError: if a file cannot be read.
        ValueError: if a file is not what the plan says, or the plan names labels or landmarks that are not there.
    """
    given = plan.patients[name]
    if given.labels is None and (given.label_names or given.label_materials):
        raise ValueError(f"patient {name!r} must have labels for label_names and label_materials, it has none")
    volume = Volume.from_file(
        given.ct, labels=given.labels, label_names=dict(given.label_names) or None, landmarks=given.landmarks
    )
    volume.orient_patient(head_first=True, supine=True)
    model = MaterialModel(method=plan.materials, by_label=dict(given.label_materials))
    scene = Scene(volume, materials=model, beyond=plan.beyond)
    files = {"ct": given.ct, "labels": given.labels, "landmarks": given.landmarks}
    digests = {what: digest(path)["sha256"] for what, path in files.items() if path is not None}
    labels = plan.results.structures
    if volume.labels is None:
        if labels is not None:
            raise ValueError(f"patient {name!r} must have labels for the structures {', '.join(labels)}, it has none")
        return _checked(plan, Patient(name, given, volume, scene, None, {}, digests))
    scene.label_channels(labels)  # refuses those that are not there
    hulls = structure_hulls(volume)
    return _checked(plan, Patient(name, given, volume, scene, labels, hulls, digests))


def _checked(plan: Plan, patient: Patient) -> Patient:
    """Refuse a plan that names landmarks or structures that the patient does not have, before any sample."""
    try:
        patient.target_world(plan.pose.target.landmark, plan.pose.target.structure)
        for name in plan.pose.in_view:
            patient.volume.landmark_in_world(name)
    except ValueError as error:
        raise ValueError(f"patient {patient.name!r}: {error}") from error
    return patient
