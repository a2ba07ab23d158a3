"""`Technique`: alternative fields, changes, and its use by a `Projector`."""

import pytest
import torch
from torch.testing import assert_close

from deepdrr import Projector, Volume
from deepdrr.camera import Camera
from deepdrr.detector import EnergyIntegratingDetector, Exposure, FlatPanel, Readout
from deepdrr.materials import Densities, MaterialModel, Voxels
from deepdrr.projector import Technique
from deepdrr.raycast import Step
from deepdrr.spectrum import HeelEffect, XRaySource, monochromatic, tungsten_spectrum


@pytest.fixture
def water() -> Volume:
    return Volume.from_array(torch.zeros(20, 20, 20), torch.eye(4), check_hu="off")


@pytest.fixture
def camera() -> Camera:
    return Camera.carm(sdd_mm=1000, sid_mm=500, height=4, width=4, pixel_mm=2.0, isocenter=(9.5, 9.5, 9.5))


class TestChanged:
    def test_voltage_and_load_are_short_for_spectrum_and_exposure(self) -> None:
        short = Technique().changed(kvp=90, mas=2)
        assert torch.equal(short.spectrum.photons, tungsten_spectrum(90.0).photons)
        assert short.exposure == Exposure(mas=2)

    def test_a_voltage_keeps_the_rest_of_the_source(self) -> None:
        heel = HeelEffect(anode_angle_deg=10.0)
        source = XRaySource(spectrum=tungsten_spectrum(80.0), heel=heel)
        assert Technique(source=source).changed(kvp=100).source.heel is heel

    def test_a_voltage_does_not_undo_other_filters(self) -> None:
        special = XRaySource(spectrum=tungsten_spectrum(80.0, filters=[("aluminium", 6.0)]))
        with pytest.raises(ValueError, match=r"kvp changes the voltage of the usual tube, not of .* give spectrum="):
            Technique(source=special).changed(kvp=100)

    def test_what_is_not_said_stays(self) -> None:
        technique = Technique(integration=Step(mm=0.5)).changed(detector=EnergyIntegratingDetector())
        assert technique.integration == Step(mm=0.5)
        assert technique.exposure == Exposure(mas=25.0)

    @pytest.mark.parametrize(
        ("fields", "message"),
        [
            ({"kvp": 90, "spectrum": monochromatic(60.0)}, "kvp or spectrum must be given, not both"),
            ({"mas": 2, "exposure": Exposure(mas=3)}, "mas or exposure must be given, not both"),
            ({"detector": FlatPanel(readout=Readout(adu_per_kev=1.0)), "exposure": None}, "exposure must be given"),
        ],
    )
    def test_contradictions(self, fields: dict[str, object], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            Technique().changed(**fields)  # type: ignore[arg-type]

    def test_an_unknown_field_has_near_names(self) -> None:
        with pytest.raises(TypeError, match="unknown field of a technique 'kvpp'; did you mean 'kvp'"):
            Technique().changed(kvpp=90)  # type: ignore[call-arg]

    @pytest.mark.parametrize("name", ["source", "exposure", "detector", "scatter", "integration"])
    def test_wrong_kinds(self, name: str) -> None:
        with pytest.raises(TypeError, match=f"{name} must be .*, got 5"):
            Technique(**{name: 5})  # type: ignore[arg-type]

    def test_an_unknown_backend_is_refused_before_the_first_image(self) -> None:
        with pytest.raises(ValueError, match=r"backend must be 'auto' or one of cuda, cpu, reference, .*'x'"):
            Technique(backend="x")
        assert Technique(backend="cuda").backend == "cuda"  # there may be a GPU when the image is taken


class TestInAProjector:
    def test_fields_technique_and_both(self, water: Volume, camera: Camera) -> None:
        fields = Projector(water, carm=camera, kvp=90, mas=2)()
        whole = Projector(water, carm=camera, technique=Technique().changed(kvp=90, mas=2))()
        both = Projector(water, carm=camera, technique=Technique().changed(kvp=60, mas=2), kvp=90)()
        assert_close(whole, fields, rtol=0, atol=0)
        assert_close(both, fields, rtol=0, atol=0)

    def test_it_may_be_assigned_between_images(self, water: Volume, camera: Camera) -> None:
        projector = Projector(water, carm=camera)
        usual = projector()
        projector.kvp = 100
        assert projector.kvp == 100.0
        harder = projector()
        assert bool((harder > usual).all())
        projector.exposure = Exposure(mas=50.0)
        assert_close(projector(), 2 * harder)
        projector.technique = Technique()
        assert_close(projector(), usual, rtol=0, atol=0)

    def test_an_assignment_prepares_nothing_again(self, water: Volume, camera: Camera) -> None:
        model, asked = MaterialModel(), []

        class Told:
            def densities(self, volume: Voxels) -> Densities:
                asked.append(volume)
                return model.densities(volume)

        projector = Projector(water, carm=camera, materials=Told())
        projector()
        projector.kvp = 100
        projector()
        assert len(asked) == 1

    @pytest.mark.parametrize("name", ["spectrum", "kv", "scene_", "labels"])
    def test_what_no_image_would_look_at_is_refused(self, name: str, water: Volume, camera: Camera) -> None:
        with pytest.raises(AttributeError, match=f"unknown attribute of a Projector '{name}'"):
            setattr(Projector(water, carm=camera), name, 1)

    def test_relative_images_are_shares_of_the_open_beam(self, water: Volume, camera: Camera) -> None:
        away = Camera.carm(sdd_mm=1000, sid_mm=500, height=4, width=4, pixel_mm=2.0, isocenter=(500.0, 9.5, 9.5))
        relative = Projector(water, carm=away, exposure=None, detector=EnergyIntegratingDetector())
        with pytest.warns(UserWarning, match="misses the volume"):
            shot = relative.project("expected_image")
        assert_close(shot["expected_image"], torch.ones(4, 4))
        assert shot.unit("expected_image") == "share of the open beam"

    def test_without_an_exposure_nothing_is_absolute(self, water: Volume, camera: Camera) -> None:
        projector = Projector(water, carm=camera, exposure=None)
        with pytest.raises(ValueError, match="exposure must be given for 'air_kerma', which is absolute"):
            projector.project("air_kerma")
        with pytest.raises(ValueError, match="exposure must be given for an image with noise"):
            projector.project("image", generator=torch.Generator())
