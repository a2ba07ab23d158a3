"""`Projector`: a volume and a C-arm in, an X-ray image out."""

import math
from types import TracebackType
from typing import Literal, Protocol, Self, get_args

import torch
from torch import Tensor

from deepdrr.camera import Camera
from deepdrr.data import Volume
from deepdrr.detector import Detector, Exposure, FlatPanel
from deepdrr.geometry import finest_dtype
from deepdrr.projector._aim import warn_if_missed
from deepdrr.projector._clearance import check_clearance
from deepdrr.projector._frame import OUTPUTS, Frame, Technique
from deepdrr.projector._materials import MaterialModel
from deepdrr.projector._prepared import PreparedVolume, label_ids
from deepdrr.raycast import Exact, Integration, Step, check_fits
from deepdrr.spectrum import Spectrum, XRaySource, tungsten_spectrum

__all__ = ["OutputName", "Positioned", "Projector"]

OutputName = Literal[
    "area_densities",
    "line_integrals",
    "primary_photons",
    "primary_energy",
    "air_kerma",
    "open_field",
    "expected_image",
    "image",
    "label_path_lengths",
    "label_masks",
]

DEFAULT_KVP = 80.0
# With 80 kV the usual technique of an AP pelvis radiograph of an adult, 20 to 40 mAs.
DEFAULT_EXPOSURE = Exposure(mas=25.0)


class Positioned(Protocol):
    """Anything that holds a camera: a C-arm, a device."""

    @property
    def camera(self) -> Camera:
        """Where source and detector are now."""


class Projector:
    """Takes X-ray images of a volume.

    The stages are public functions: `decompose` (HU to densities), `project` (ray integrals), `attenuate` (spectrum),
    `detect` (noise). The volume's densities are made at the first image, or when a `with` block begins, kept while
    its voxels stay as they are, and given back at the end of the block. Volume and C-arm may be moved at any time:
    every image looks at where they are.

    Args:
        volume: the patient.
        carm: a `MobileCArm`, a `SimpleDevice`, anything with a `camera`, or a `Camera` (which may be batched).
        spectrum: the open beam; default 80 kV through a C-arm's filtration, `tungsten_spectrum(80)`, from a point. An
            `XRaySource` adds heel effect, focal spot, shutters and a faster sum over the spectrum.
        exposure: of one frame; default 25 mAs.
        detector: default `FlatPanel()`: CsI with its blur, quantum and electronic noise. `EnergyIntegratingDetector()`
            absorbs all and blurs nothing.
        materials: how HU become materials: `"continuous"`, `"three_class"` or a `MaterialModel`.
        integration: `Exact()` or `Step(mm=…)`.
        backend: `"auto"`, `"cuda"`, `"cpu"` or `"reference"`, see `deepdrr.raycast.project`.
        device: where the volume's densities are kept and all stages are computed, `"cpu"` or a GPU, `"cuda"`. Results
            are on the CPU.

    Example:
        >>> from deepdrr import MobileCArm, Volume
        >>> from deepdrr.resources import resource_path
        >>> ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
        >>> ct.orient_patient(head_first=True, supine=True)
        >>> carm = MobileCArm()
        >>> with Projector(ct, carm=carm.camera.resized(64, 64)) as projector:
        ...     image = projector()
        >>> image.shape
        torch.Size([64, 64])
    """

    def __init__(
        self,
        volume: Volume,
        *,
        carm: Positioned | Camera,
        spectrum: Spectrum | XRaySource | None = None,
        exposure: Exposure = DEFAULT_EXPOSURE,
        detector: Detector | None = None,
        materials: MaterialModel | Literal["continuous", "three_class"] = "continuous",
        integration: Integration | None = None,
        backend: str = "auto",
        device: torch.device | str = "cpu",
    ) -> None:
        if not isinstance(volume, Volume):
            raise TypeError(f"volume must be a deepdrr.Volume, got {type(volume).__name__}")
        if not isinstance(carm, Camera) and not isinstance(getattr(carm, "camera", None), Camera):
            raise TypeError(f"carm must be a Camera or have one as .camera, got {type(carm).__name__}")
        self.volume = volume
        self.carm = carm
        self.materials = MaterialModel(method=materials) if isinstance(materials, str) else materials
        if not isinstance(self.materials, MaterialModel):
            raise TypeError(f"materials must be a method's name or a MaterialModel, got {materials!r}")
        if not isinstance(exposure, Exposure):
            raise TypeError(f"exposure must be an Exposure, such as Exposure(mas=25), got {exposure!r}")
        if detector is not None and not isinstance(detector, Detector):
            raise TypeError(f"detector must be a detector, such as FlatPanel(), got {detector!r}")
        _check_step(integration, volume)
        self.technique = Technique(
            source=_as_source(spectrum),
            exposure=exposure,
            detector=detector or FlatPanel(),
            integration=integration or Exact(),
            backend=backend,
        )
        self.device = _checked_device(device)
        self._prepared: PreparedVolume | None = None

    def __enter__(self) -> Self:
        self._current()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._prepared = None

    @property
    def camera(self) -> Camera:
        """Where source and detector are now."""
        return self.carm if isinstance(self.carm, Camera) else self.carm.camera

    @property
    def material_names(self) -> tuple[str, ...]:
        """What the M channels of `"area_densities"` are, in order. Prepares the volume if no image was taken yet."""
        return tuple(material.name for material in self._current().materials)

    @property
    def label_names(self) -> tuple[str, ...]:
        """What the L channels of the label outputs are, in order.

        Raises:
            ValueError: if the volume has no labels.
        """
        return tuple(self.volume.label_names.get(label, str(label)) for label in label_ids(self.volume))

    def __call__(self, generator: torch.Generator | None = None) -> Tensor:
        """The raw detector signal of one frame: the energy absorbed in each pixel, for the default detector.

        Args:
            generator: source of quantum and electronic noise; None for the noise-free mean.

        Returns:
            [H, W], or [*batch, H, W] of a batched camera, float32; in the detector's unit: keV absorbed per pixel, or
            ADU if it has a readout. A detector of K energy bins gives [..., K, H, W] counts.

        Raises:
            ValueError: if the source or the detector is inside the patient.
            MemoryError: if the image would not fit.

        Warns:
            UserWarning: if the beam misses the volume; the image is then that of air.
        """
        name: OutputName = "expected_image" if generator is None else "image"
        return self.project(name, generator=generator)[name]

    def project(self, *outputs: OutputName, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """Several results of one exposure, each stage computed once.

        Args:
            outputs: any of

                - `"area_densities"` [..., M, H, W], g/cm² per basis material;
                - `"line_integrals"` [..., H, W], ∫ µ dℓ at the beam's mean energy, dimensionless;
                - `"primary_photons"` [..., H, W], mean photons per pixel;
                - `"primary_energy"` [..., H, W], their mean energy, keV per pixel;
                - `"air_kerma"` [..., H, W], of the primary beam at the detector, before the grid, nGy;
                - `"open_field"` [..., H, W], mean signal with nothing in the beam, in the detector's unit;
                - `"expected_image"` [..., H, W], mean signal, in the detector's unit;
                - `"image"` [..., H, W], signal with noise, in the detector's unit;
                - `"label_path_lengths"` [..., L, H, W], mm of ray in each label of `label_names`;
                - `"label_masks"` [..., L, H, W], where that is more than zero.
            generator: source of the noise; `"image"` needs it.

        Returns:
            The tensors by name.

        Raises:
            ValueError: for an unknown name, or a pose inside the patient.
            TypeError: if `"image"` is asked for without a generator.
        """
        _check_names(outputs)
        camera = self.camera
        _check_memory(camera)
        check_clearance(self.volume, camera)
        warn_if_missed(self.volume, camera)
        frame = Frame(self._current(), camera, self.technique, generator)
        return {name: OUTPUTS[name](frame).cpu() for name in outputs}

    def _current(self) -> PreparedVolume:
        kept = self._prepared
        if kept is None or not kept.is_current or kept.volume is not self.volume or kept.model is not self.materials:
            self._prepared = kept = None  # the old densities go before the new ones come
            self._prepared = kept = PreparedVolume.of(self.volume, self.materials, self.device)
        return kept


def _as_source(beam: Spectrum | XRaySource | None) -> XRaySource:
    if isinstance(beam, XRaySource):
        return beam
    return XRaySource(spectrum=tungsten_spectrum(DEFAULT_KVP) if beam is None else beam)


def _checked_device(device: torch.device | str) -> torch.device:
    try:
        found = torch.device(device)
    except RuntimeError:
        raise ValueError(
            f"device must be 'cpu' or 'cuda', with a number if there are several, got {device!r}"
        ) from None
    if finest_dtype(found) != torch.float64:
        raise ValueError(f"device must have double precision, such as 'cpu' or 'cuda', got {str(device)!r}")
    if found.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device must be 'cpu' here, got {str(device)!r}: this torch sees no CUDA GPU")
    return found


def _check_step(integration: Integration | None, volume: Volume) -> None:
    """Refuse steps that pass over whole voxels: what they make looks like an image and is none."""
    diagonal = math.hypot(*volume.spacing_mm)
    if isinstance(integration, Step) and integration.mm > diagonal:
        raise ValueError(
            f"integration must have steps of at most {diagonal:.3g} mm, a voxel's diagonal, got {integration}"
        )


def _check_names(outputs: tuple[str, ...]) -> None:
    unknown = [name for name in outputs if name not in get_args(OutputName)]
    if unknown or not outputs:
        raise ValueError(f"outputs must be among {', '.join(get_args(OutputName))}, got {unknown or 'none'}")


def _check_memory(camera: Camera) -> None:
    # Measured at 2500² pixels with the default detector: 130 bytes a pixel at the peak, rays and results among them.
    shape = (*camera.batch_shape, camera.height, camera.width, 17)
    check_fits("the image with its rays, in 17 planes", shape, dtype=torch.float64)
