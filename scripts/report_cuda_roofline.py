"""Instructions and memory traffic of every CUDA kernel of the ray integrals, and the resulting bounds on seven GPUs.

python scripts/report_cuda_roofline.py --driver out/software_cuda_driver > docs/concepts/cuda_roofline.md

Needs no GPU: the software CUDA driver (`make test-cuda` builds it) executes the PTX and counts.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT / "tests" / name) for name in ("machines", "raycast", "machines/software_cuda_driver")]

from cuda_machine import HostMemory, software_driver  # noqa: E402
from ptx.tally import KINDS  # noqa: E402
from raycast_scenes import carm  # noqa: E402

from deepdrr._cuda import Launcher, serving  # noqa: E402
from deepdrr.data import Volume, fetch_sample  # noqa: E402
from deepdrr.raycast import Exact, Field, Rays, Request, Step, with_kernel_layout  # noqa: E402
from deepdrr.raycast.cpu._engine import CpuEngine  # noqa: E402
from deepdrr.raycast.cuda import _launches  # noqa: E402
from deepdrr.raycast.cuda._chunks import MOST_PARTS  # noqa: E402
from deepdrr.raycast.cuda._engine import CudaEngine  # noqa: E402
from deepdrr.raycast.cuda._jobs import BLOCK_HEIGHT, BLOCK_WIDTH, WALKED_CHORD_BYTES  # noqa: E402

SIDE, EVERY = 200, 5  # pixels of the image, of which every fifth in both directions is counted
STEP_MM = 1.5
PARTS = max(1, min(MOST_PARTS, _launches.WANTED_THREADS // SIDE**2))
ENGINE = CudaEngine()
# Labels by HU: air, fat, soft tissue, bone.
BORDERS_HU = (-800.0, -30.0, 200.0)


@dataclass(frozen=True)
class Device:
    """Peak rates of a GPU from the manufacturer's data sheet."""

    name: str
    architecture: str
    float_tflops: float  # two per multiplication with addition
    double_tflops: float
    issue_per_float: float  # instructions that can be issued, per float instruction
    terabytes_per_s: float

    def microseconds(self, count: dict[str, float], megabytes: float) -> tuple[float, str]:
        """The largest of the times for issuing, doubles and memory, and which of them it is."""
        executed = sum(number for kind, number in count.items() if kind != "threads")
        times = {
            "issue": executed / (self.float_tflops / 2 * self.issue_per_float),
            "float": count["float"] / (self.float_tflops / 2),
            "double": count["double"] / (self.double_tflops / 2),
            "memory": 1e6 * megabytes / self.terabytes_per_s,
        }
        longest = max(times, key=lambda name: times[name])
        return 1e-6 * times[longest], longest


DEVICES = (
    Device("T4", "75", 8.1, 0.25, 2, 0.32),
    Device("A100", "80", 19.5, 9.7, 2, 2.04),
    Device("RTX 3090", "86", 35.6, 0.56, 1, 0.94),
    Device("RTX 4090", "89", 82.6, 1.29, 1, 1.01),
    Device("H100", "90", 66.9, 33.5, 1, 3.35),
    Device("B200", "100", 75.0, 37.5, 1, 8.0),
    Device("RTX 5090", "120", 104.8, 1.64, 1, 1.79),
)


@dataclass(frozen=True)
class Scene:
    """A CT, the counted rays, and the fraction of its voxels that all rays of the image meet."""

    field: Field
    rays: Rays
    met: float

    @classmethod
    def pelvis(cls) -> "Scene":
        ct = Volume.from_file(fetch_sample("pelvis").image)
        ct.orient_patient(head_first=True, supine=True)
        labels = torch.bucketize(ct.hu, torch.tensor(BORDERS_HU)).to(torch.uint8)
        density = (1 + ct.hu[None] / 1000).clamp(min=0)
        field = with_kernel_layout(Field(density, ct.ijk_from_world, labels, len(BORDERS_HU) + 1))
        whole = Rays.from_camera(carm(SIDE, SIDE, 300, (15, 10, 0)))
        plain = Field(density, ct.ijk_from_world)
        request = Request(plain, whole, "linear", Step(STEP_MM))
        voxels = CpuEngine().grad_values(torch.ones(request.output_shape), request)
        source = whole.source.expand(SIDE, SIDE, 3)
        rays = Rays(*(end[::EVERY, ::EVERY].contiguous() for end in (source, whole.target)))
        return cls(field, rays, float((voxels != 0).double().mean()))

    def request(self, interpolation: str, exact: bool, *, storage: str = "float32", **options: object) -> Request:
        """An integral along the counted rays; `routing` makes it one by label, `channels` one of several channels."""
        field = self.field if "routing" in options else Field(self.field.values, self.field.ijk_from_world)
        if options.get("channels"):
            field = Field(field.values.expand(int(str(options["channels"])), -1, -1, -1), field.ijk_from_world)
        if storage == "int16":
            field = with_kernel_layout(field, "int16")
        if interpolation == "cubic":
            field = Field(field.values, field.ijk_from_world, prefiltered=True)
        rule = Exact() if exact else Step(STEP_MM)
        return Request(field, self.rays, interpolation, rule, options.get("routing", "hard"))  # type: ignore[arg-type]


# -- the child process: runs every kernel once, on the software driver -------------------------------------------------


def run_all(scene: Scene) -> None:
    software = software_driver()
    if software is None:
        raise SystemExit("this libcuda is not the software driver")
    launcher = Launcher(0, HostMemory(software))
    _launches.WANTED_THREADS //= EVERY**2  # as many parts as the image has
    with serving(torch.device("cpu"), launcher):
        run_kernels(scene)
    launcher.close()


def run_kernels(scene: Scene) -> None:
    for interpolation, exact in (("nearest", False), ("nearest", True), ("linear", False), ("linear", True)):
        run(scene.request(interpolation, exact), rays=interpolation == "linear")
        ENGINE.integrate(scene.request(interpolation, exact, channels=4))
        ENGINE.integrate(scene.request(interpolation, exact, storage="int16"))
    run(scene.request("cubic", False), rays=True)
    for exact in (False, True):
        ENGINE.integrate(scene.request("nearest", exact, routing="hard"))
        for routing in ("hard", "soft"):
            run(scene.request("linear", exact, routing=routing), rays=True)


def run(request: Request, *, rays: bool) -> None:
    ENGINE.integrate(request)
    upstream = torch.ones(request.output_shape)
    for fixed in (False, True):
        torch.use_deterministic_algorithms(fixed)
        ENGINE.grad_values(upstream, request)
    torch.use_deterministic_algorithms(False)
    if rays:
        ENGINE.grad_rays(upstream, request)


# -- the parent: counts, bytes, bounds ---------------------------------------------------------------------------------


def counts(driver: Path) -> dict[str, dict[str, float]]:
    """Instructions of all threads of the image, by kernel and kind, for the kernels that ran."""
    with tempfile.TemporaryDirectory() as folder:
        tally = Path(folder) / "tally"
        told = {"LD_LIBRARY_PATH": str(driver.resolve()), "SWCUDA_TALLY": str(tally), "SWCUDA_THREADS": "1"}
        subprocess.run([sys.executable, __file__, "--run"], env=os.environ | told, check=True)
        rows = [line.split() for line in tally.read_text().splitlines()]
    found = {name: dict(zip(KINDS, map(float, numbers), strict=True)) for name, *numbers in rows}
    found = {name: count for name, count in found.items() if count["threads"] > 0}
    # It ran before every march that has parts or groups of channels: here its mean.
    launches = {name: found[name]["threads"] / _threads() if name == "find_chords" else 1 for name in found}
    return {
        name: {kind: EVERY**2 * number / launches[name] for kind, number in count.items()}
        for name, count in found.items()
    }


def _threads() -> int:
    """Threads of a launch for the counted rays, in whole blocks."""
    counted = SIDE // EVERY
    across, down = -(-counted // BLOCK_WIDTH) * BLOCK_WIDTH, -(-counted // BLOCK_HEIGHT) * BLOCK_HEIGHT
    return across * down


def megabytes(kernel: str, scene: Scene) -> float:
    """Memory traffic: each voxel that is met, once, plus the image and the gradients."""
    voxels, pixels = scene.met * scene.field.labels.numel(), SIDE**2  # type: ignore[union-attr]
    channels = 4 if "hard" in kernel or "soft" in kernel or "group" in kernel else 1
    per_voxel = (2 if "i16" in kernel else 4) * (4 if "group" in kernel else 1)
    if "grad_values" in kernel:
        per_voxel = 16 if "fixed" in kernel else 8
    per_voxel += 1 if "hard" in kernel or "soft" in kernel else 0
    per_pixel = 4 * channels + (192 if "grad_rays" in kernel else 0)
    if kernel == "find_chords":
        per_voxel, per_pixel = 0, 56 + WALKED_CHORD_BYTES
    return 1e-6 * (voxels * per_voxel + pixels * per_pixel)


def table(header: list[str], rows: list[list[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in (header, *rows)]
    return "\n".join([lines[0], f"|{'---|' * len(header)}", *lines[1:]])


def number(value: float) -> str:
    return f"{value:.0f}" if value >= 10 or value == 0 else f"{value:.1f}"


def report(scene: Scene, found: dict[str, dict[str, float]]) -> str:
    kinds, rays = KINDS[1:], SIDE**2
    executed = [
        [name, *(number(count[kind] / rays) for kind in kinds), number(megabytes(name, scene))]
        for name, count in found.items()
    ]

    def bound(count: dict[str, float], name: str, device: Device) -> str:
        time, why = device.microseconds(count, megabytes(name, scene))
        return f"{number(time)} {why}"

    bounds = [[name, *(bound(count, name, device) for device in DEVICES)] for name, count in found.items()]
    shape = " × ".join(map(str, scene.field.shape))
    return f"""# What the CUDA kernels execute, and what bounds them

Made by `python scripts/report_cuda_roofline.py`: the software CUDA driver executed the PTX and counted. The scene is
the bundled CT ({shape} voxels, {100 * scene.met:.0f} % of which the rays meet), {SIDE} × {SIDE} rays, steps of
{STEP_MM} mm or exact; four channels in groups, or four labels by HU. **Nothing here ran on a GPU.**

## Executed per ray

Instructions of PTX, of which ptxas merges some (an address is multiplied and added in one); a division or root counts
as ten. A forward march of an image of this size is cut into {PARTS} parts, whose beginnings are included; the chords
are found beforehand, by `find_chords`. Megabytes are those of the whole image: every voxel that is met once, labels,
images, gradients.

{table(["kernel", *kinds, "MB"], executed)}

## Bounds

Microseconds that the whole image cannot take less than, and by what: *issue* of all instructions (four warps a clock on
each multiprocessor), *float*, *double*, or *memory*, at the peaks of the makers' data sheets. What is not modelled
makes it longer: cache misses, waiting for memory, warps whose rays differ in length, and atomic additions that meet.

{table(["kernel", *(f"{d.name} (sm_{d.architecture})" for d in DEVICES)], bounds)}"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--driver", type=Path, default=ROOT / "out" / "software_cuda_driver")
    parser.add_argument("--run", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    scene = Scene.pelvis()
    if arguments.run:
        run_all(scene)
    else:
        print(report(scene, counts(arguments.driver)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
