"""Distances and detectors of typical devices."""

import pytest

from deepdrr.device import GEOMETRIES, CArmGeometry, geometry


class TestPresets:
    @pytest.mark.parametrize("name", GEOMETRIES)
    def test_every_preset_is_a_device(self, name: str) -> None:
        """Magnification at the isocenter and the detector's size are those of diagnostic equipment."""
        device = geometry(name)
        assert 1.05 < device.sdd_mm / device.sid_mm < 2.1
        assert 200 < device.height * device.pixel_mm < 450
        assert 200 < device.width * device.pixel_mm < 450

    def test_the_default_is_the_mobile_arm(self) -> None:
        assert geometry("mobile") == CArmGeometry(sdd_mm=1020, sid_mm=530, height=1536, width=1536, pixel_mm=0.194)

    def test_unknown_names_get_the_near_ones(self) -> None:
        with pytest.raises(ValueError, match="unknown geometry 'angio'; did you mean 'angiography'"):
            geometry("angio")


class TestGeometry:
    def test_binning_keeps_the_detector(self) -> None:
        full, binned = CArmGeometry(), CArmGeometry().binned(8)
        assert binned.height * binned.pixel_mm == pytest.approx(full.height * full.pixel_mm, rel=1e-12)
        assert binned.camera().intrinsics.tolist() == full.camera().resized(192, 192).intrinsics.tolist()

    @pytest.mark.parametrize(
        ("factor", "error"), [(0, ValueError), (-1, ValueError), (1.5, TypeError), (True, TypeError), (7, ValueError)]
    )
    def test_bad_factors(self, factor: object, error: type[Exception]) -> None:
        with pytest.raises(error, match="factor must"):
            CArmGeometry().binned(factor)  # type: ignore[arg-type]

    @pytest.mark.parametrize(
        ("change", "complaint"),
        [
            ({"sdd_mm": 0.0}, "sdd_mm must be a positive length"),
            ({"sid_mm": 1020.0}, "sid_mm must be less than sdd_mm"),
            ({"pixel_mm": float("nan")}, "pixel_mm must be finite"),
            ({"width": 0}, "width must be at least 1"),
        ],
    )
    def test_impossible_devices(self, change: dict[str, float], complaint: str) -> None:
        with pytest.raises(ValueError, match=complaint):
            CArmGeometry(**change)  # type: ignore[arg-type]
