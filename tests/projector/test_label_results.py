"""Path lengths and masks of labels, all or chosen ones, and labels of a material."""

from collections.abc import Sequence

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from deepdrr import MobileCArm, Volume
from deepdrr.camera import Camera
from deepdrr.detector import EnergyIntegratingDetector
from deepdrr.materials import MaterialModel
from deepdrr.projector import Projector


def small(carm: MobileCArm | None = None, pixels: int = 48) -> Camera:
    return (carm or MobileCArm()).camera.resized(pixels, pixels)


class TestLabels:
    @pytest.fixture
    def labeled(self, ct: Volume) -> Volume:
        """Bone and the rest of the body, as ids 7 and 2."""
        body = torch.where(ct.hu > 250, 7, torch.where(ct.hu > -400, 2, 0))
        volume = Volume.from_array(
            ct.hu, ct.anatomical_from_ijk, labels=body.to(torch.uint8), label_names={7: "bone", 2: "soft"}
        )
        volume.orient_patient()
        return volume

    def test_path_lengths_and_masks_by_name(self, labeled: Volume) -> None:
        with Projector(labeled, carm=small()) as projector:
            found = projector.project("label_path_lengths", "label_masks")
            names = projector.label_channels
            assert projector.material_names == ("adipose 3", "soft tissue", "cortical bone")
        assert names == ("soft", "bone")
        soft, bone = found["label_path_lengths"]
        assert float(soft[24, 24]) > 200.0  # the belly is some 380 mm thick
        assert 0.0 < float(bone.max()) < 150.0
        assert torch.equal(found["label_masks"], found["label_path_lengths"] > 0)

    @pytest.mark.parametrize("labels", [["bone"], [7], ["7"], (np.int64(7), "bone"), ["bone", "soft"]])
    def test_labels_are_chosen_by_name_and_number(self, labels: Sequence[int | str], labeled: Volume) -> None:
        projector = Projector(labeled, carm=small())
        every, some = projector.project("label_masks"), projector.project("label_masks", labels=labels)
        wanted = [1, 0] if "soft" in labels else [1]
        assert some.channel_names("label_masks") == tuple(projector.label_channels[n] for n in wanted)
        assert torch.equal(some["label_masks"], every["label_masks"][wanted])

    @pytest.mark.parametrize(
        ("labels", "error", "sentence"),
        [
            (["bonne"], ValueError, "unknown label 'bonne'; did you mean 'bone'"),
            ([8], ValueError, "unknown label 8"),
            ([], ValueError, "at least one label"),
            ("bone", TypeError, r"list of names or numbers of labels, such as \['heart', 5\], got 'bone'"),
            ([7.5], TypeError, "got 7.5"),
        ],
    )
    def test_labels_that_there_are_none_of(self, labels, error, sentence: str, labeled: Volume) -> None:
        with pytest.raises(error, match=sentence):
            Projector(labeled, carm=small()).project("label_masks", labels=labels)

    @pytest.mark.parametrize("ids", [(2, 7), (300, 7), (7, 70_000)])
    def test_a_choice_may_stand_in_any_order(self, ids: tuple[int, int], labeled: Volume) -> None:
        """Beyond 65536 the channel of a voxel is looked for instead of read from a table."""
        assert labeled.labels is not None
        found = torch.where(labeled.labels == 7, ids[0], torch.where(labeled.labels == 2, ids[1], 0))
        projector = Projector(labeled.with_labels(found.int()), carm=small())
        every = projector.project("label_masks")
        assert bool(every["label_masks"].any(-1).any(-1).all())
        for chosen in (ids, ids[::-1]):
            some = projector.project("label_masks", labels=chosen)
            assert some.label_channels == tuple(map(str, chosen))
            places = [every.label_channels.index(name) for name in some.label_channels]
            assert torch.equal(some["label_masks"], every["label_masks"][places])

    def test_a_name_goes_before_a_number(self, labeled: Volume) -> None:
        named = labeled.with_labels(labeled.labels, names={7: "2"})
        projector = Projector(named, carm=small())
        assert projector.project("label_masks", labels=["2", 2]).label_channels == ("2", "2")
        masks = projector.project("label_masks", labels=["2", 2])["label_masks"]
        assert torch.equal(masks, projector.project("label_masks", labels=[7, 2])["label_masks"])

    def test_a_choice_of_labels_needs_a_label_result(self, labeled: Volume) -> None:
        with pytest.raises(ValueError, match=r"none of them was asked for, got \['bone'\]"):
            Projector(labeled, carm=small()).project("expected_image", labels=["bone"])

    def test_the_former_name_warns(self, labeled: Volume) -> None:
        projector = Projector(labeled, carm=small())
        with pytest.warns(DeprecationWarning, match="Projector.label_channels"):
            assert projector.label_names == projector.label_channels

    def test_labels_are_looked_for_once(self, labeled: Volume, monkeypatch: pytest.MonkeyPatch) -> None:
        """To search all voxels for labels takes twice as long as the rays."""
        searched = []
        unique = torch.unique
        monkeypatch.setattr(torch, "unique", lambda *given, **how: searched.append(1) or unique(*given, **how))
        projector = Projector(labeled, carm=small())
        projector.project("label_masks")
        before = len(searched)
        projector.project("label_masks")
        projector.project("label_masks", labels=["bone"])
        chosen = len(searched)
        projector.project("label_masks", labels=["bone"])
        assert len(searched) == chosen
        searched = searched[:before]
        assert before > 0
        assert len(searched) == before

    def test_a_label_of_metal(self, labeled: Volume) -> None:
        """Voxels labelled bone, made of titanium: darker where they are, the same elsewhere."""
        sharp = EnergyIntegratingDetector()
        tissue = Projector(labeled, carm=small(), detector=sharp)
        metal = Projector(labeled, carm=small(), detector=sharp, materials=MaterialModel(by_label={7: "titanium"}))
        mask = tissue.project("label_masks")["label_masks"][1]
        ratio = metal() / tissue()
        assert bool((ratio[mask] < 1.0).all())
        assert float(ratio[mask].median()) < 0.5
        # Linear interpolation lets a labelled voxel reach half a voxel beyond it.
        assert float(ratio[~mask].median()) == pytest.approx(1.0, abs=1e-3)

    def test_labels_are_needed(self, ct: Volume) -> None:
        with pytest.raises(ValueError, match="no labels"):
            Projector(ct, carm=small()).project("label_masks")
        with pytest.raises(ValueError, match="label"):
            Projector(ct, carm=small(), materials=MaterialModel(by_label={1: "titanium"}))()


def test_more_labels_than_the_operator_routes_at_once(ct: Volume) -> None:
    """Each of 200 slabs has its own length, and all of them together that of the box."""
    k = torch.arange(ct.shape[2])[None, None, :]
    i = torch.arange(ct.shape[0])[:, None, None]
    labels = (1 + (i * 7 + k * 13) % 200).expand(ct.shape).to(torch.int16)
    many = Volume.from_array(ct.hu, ct.anatomical_from_ijk, labels=labels)
    one = Volume.from_array(ct.hu, ct.anatomical_from_ijk, labels=torch.ones(ct.shape, dtype=torch.uint8))
    for volume in (many, one):
        volume.orient_patient()
    lengths = Projector(many, carm=small(pixels=12)).project("label_path_lengths")["label_path_lengths"]
    whole = Projector(one, carm=small(pixels=12)).project("label_path_lengths")["label_path_lengths"]
    assert lengths.shape == (200, 12, 12)
    assert_close(lengths.sum(dim=0), whole[0], rtol=1e-5, atol=1e-3)  # float32 sums of some 200 pieces of 6 mm
