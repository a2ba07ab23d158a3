"""Public names that have moved still work under the old name, with a warning that gives the new one."""

import importlib

import pytest

import deepdrr.cli
import deepdrr.data
import deepdrr.display
import deepdrr.io
import deepdrr.registration


@pytest.mark.parametrize(
    "name",
    [
        "Xray",
        "XrayHeader",
        "XrayValues",
        "camera_of_header",
        "line_integrals_of",
        "read_cameras",
        "read_xray",
        "write_cameras",
    ],
)
def test_readers_of_x_rays_and_cameras_live_in_io(name: str) -> None:
    with pytest.warns(DeprecationWarning, match=f"deepdrr.registration.{name} is now deepdrr.io.{name}"):
        found = getattr(deepdrr.registration, name)
    assert found is getattr(deepdrr.io, name)


def test_the_contact_sheet_lives_in_display() -> None:
    with pytest.warns(DeprecationWarning, match=r"is now deepdrr\.display\.contact_sheet"):
        assert deepdrr.cli.contact_sheet is deepdrr.display.contact_sheet


@pytest.mark.parametrize(
    ("old", "module", "new"),
    [
        ("digitised", "deepdrr.detector", "digitize"),
        ("lagged", "deepdrr.detector", "apply_lag"),
        ("quantise", "deepdrr.display", "quantize"),
    ],
)
def test_names_are_spelled_as_in_america(old: str, module: str, new: str) -> None:
    room = importlib.import_module(module)
    with pytest.warns(DeprecationWarning, match=rf"{module}\.{old} is now {module}\.{new}"):
        found = getattr(room, old)
    assert found is getattr(room, new)


def test_the_license_of_a_sample_is_found_under_its_old_name() -> None:
    pelvis = deepdrr.data.samples()[0]
    with pytest.warns(DeprecationWarning, match=r"Sample\.licence is now Sample\.license"):
        assert pelvis.licence == pelvis.license


def test_a_name_that_never_was_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'read_xrays'"):
        deepdrr.registration.read_xrays  # noqa: B018
