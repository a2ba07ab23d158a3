"""Time of a user's calls on a device: `project`, `render` and a `Projector`, in total and by its parts.

    python benchmarks/calls.py --device cuda [--short] [--only TEXT]

`call_ms`: one call until its result is ready. `host_ms`: until the call returns, with the device still working; if it
equals `call_ms`, the host is the bottleneck. `gpu_ms`: the device's kernels and copies alone, as torch's profiler
sees them. The CSV is written after every row.
"""

import sys
import time
from collections.abc import Callable, Mapping
from statistics import median

import torch
from _cases import PeerCases
from _report import Row, machine, options, print_table, reason, save
from _scene import carm, load_scene
from torch import Tensor
from torch.profiler import ProfilerActivity, profile
from versus_gpu import gpu

from deepdrr import MobileCArm, Volume
from deepdrr.camera import Camera, make_k_inv, make_rt_inv
from deepdrr.data import Subject
from deepdrr.drr import render
from deepdrr.projector import Projector
from deepdrr.raycast import Step, project
from deepdrr.resources import resource_path

Call = Callable[[], object]
COLUMNS = ("case", "call_ms", "host_ms", "gpu_ms", "verdict", "note")
ARGUMENTS = {
    "--only": {"default": "", "help": "rows whose name has this in it"},
    "--device": {"choices": ("cuda", "cpu"), "default": "cpu", "help": "where to compute (default: cpu)"},
}
STEP = Step(mm=0.7)


def main() -> int:
    """Run all rows; return 1 if one failed."""
    chosen = options(__doc__, arguments=ARGUMENTS)
    device = torch.device(chosen.device)
    about = {**machine(), **(gpu() if device.type == "cuda" else {"gpu": "none"})}
    sides = (48, 64) if chosen.short else (200, 1536)
    makers = {**of_project(device, chosen.scene, sides), **of_render(device, sides[0])}
    makers |= of_projector(device, sides[1])
    rows: list[Row] = []
    for name, make in makers.items():
        if chosen.only in name:
            rows.append({"case": name, "device": device.type, **measured(make, device, chosen.repetitions)})
            save("calls", rows, chosen.out, about)
    print_table(f"one call, {about['gpu'] if device.type == 'cuda' else about['processor']}", rows, COLUMNS)
    return int(any(row.get("verdict") == "failed" for row in rows))


def measured(make: Callable[[], Call], device: torch.device, repetitions: int) -> Row:
    """Times of one call, ms; or the reason for its failure."""
    try:
        call = make()
        for _ in range(2):
            call()
        times = [one_by_one(call, device) for _ in range(repetitions)]
        return {
            "call_ms": 1e3 * median(whole for whole, _ in times),
            "host_ms": 1e3 * median(host for _, host in times),
            "gpu_ms": 1e3 * on_the_gpu(call) if device.type == "cuda" else None,
        }
    except Exception as error:
        return {"verdict": "failed", "note": reason(error)}


def one_by_one(call: Call, device: torch.device, block_s: float = 0.2) -> tuple[float, float]:
    """Mean seconds of a call until its result is ready, and until it returns; each call waits for the previous one."""
    wait = torch.cuda.synchronize if device.type == "cuda" else lambda: None
    wait()
    start, host, calls = time.perf_counter(), 0.0, 0
    while (begin := time.perf_counter()) - start < block_s or not calls:
        call()
        host += time.perf_counter() - begin
        wait()
        calls += 1
    return (time.perf_counter() - start) / calls, host / calls


def on_the_gpu(call: Call, calls: int = 5) -> float:
    """Total seconds of kernels and copies in one call."""
    with profile(activities=[ProfilerActivity.CUDA]) as seen:
        for _ in range(calls):
            call()
        torch.cuda.synchronize()
    return sum(event.self_device_time_total for event in seen.key_averages()) / calls / 1e6


# -- the rows ----------------------------------------------------------------------------------------------------------


def of_project(device: torch.device, scene_name: str, sides: tuple[int, int]) -> Mapping[str, Callable[[], Call]]:
    """The operator on int16 voxels, with a small and a large detector, and with the gradient with respect to a pose."""
    scene = load_scene(scene_name).to(device)
    field = scene.int16_field()

    def picture(side: int, batch: int = 1) -> Call:
        cameras = [carm((6.0 * n, 0.0, 0.0), pixels=side, pixel_mm=400 / side) for n in range(batch)]
        camera = (Camera.stack(cameras) if batch > 1 else cameras[0]).to(device)
        return lambda: project(field, camera, integration=STEP, backend=device.type)

    small, large = sides
    return {
        f"project, {small}²": lambda: picture(small),
        f"project, {small}², 16 poses": lambda: picture(small, 16),
        f"project, {large}²": lambda: picture(large),
        "project + pose gradient, 200²": lambda: PeerCases(scene).pose_gradient("AP", STEP.mm).ours,
    }


def of_render(device: torch.device, side: int) -> Mapping[str, Callable[[], Call]]:
    """`render` of the bundled pelvis, 500 samples on a ray."""
    subject = Subject.from_filepath(resource_path("data/ct/pelvis.nii.gz")).to(device)
    k_inv, sdd = (t.to(device) for t in (make_k_inv(1020.0, 2.0, 2.0, 0.0, 0.0, side, side), torch.tensor([1020.0])))

    def picture(batch: int = 1, *, gradient: bool = False) -> Tensor:
        turns = torch.linspace(0, 20, batch, device=device)[:, None] * torch.tensor([[1.0, 0.0, 0.0]], device=device)
        places = torch.tensor([[0.0, 850.0, 0.0]], device=device).repeat(batch, 1)
        turns.requires_grad_(gradient)
        pose = make_rt_inv(turns, places, orientation="AP", isocenter=subject.isocenter)
        image = render(subject, k_inv, pose, sdd, side, side)
        return torch.autograd.grad(image.square().sum(), turns)[0] if gradient else image

    return {
        f"render, {side}²": lambda: picture,
        f"render, {side}², 16 poses": lambda: lambda: picture(16),
        f"render + pose gradient, {side}²": lambda: lambda: picture(gradient=True),
    }


def of_projector(device: torch.device, side: int) -> Mapping[str, Callable[[], Call]]:
    """A `Projector` with default settings: exact integrals, a spectrum, a flat panel with noise."""
    volume = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
    volume.orient_patient(head_first=True, supine=True)
    camera = MobileCArm().camera.resized(side, side)

    def picture(*outputs: str) -> Call:
        projector = Projector(volume, carm=camera, device=device)
        generator = torch.Generator(device).manual_seed(1)
        return lambda: projector.project(*outputs, generator=generator)

    return {
        f"projector(), {side}²": lambda: picture("image"),
        f"projector, expected image, {side}²": lambda: picture("expected_image"),
    }


if __name__ == "__main__":
    sys.exit(main())
