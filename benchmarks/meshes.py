"""Crossings of rays with meshes per second, beside Embree, and what tools cost in `projector()`.

    python benchmarks/meshes.py [--short] [--repetitions 7] [--threads 2] [--out out/benchmarks]

Embree comes through trimesh (`pip install embreex`), which finds all crossings of a ray by asking for the next one
again and again, on one thread. So both sides run on one thread for the rates. Processor time counts all threads of a
call; on a machine that has other work to do, its ratio is the better figure. Rays are those of a camera, or at random.
The tools are bone screws at random in the middle of the bundled pelvis; the million faces are a ball's.
"""

import time
import warnings
from collections.abc import Callable
from typing import Any

import torch
from _report import Row, machine, options, print_table, save
from torch import Tensor

from deepdrr import MobileCArm, Volume
from deepdrr.projector import Scene, Technique, expose
from deepdrr.raycast import Rays
from deepdrr.resources import resource_path
from deepdrr.tools import Mesh, Tool, cross

_PIXELS = 1536
_MOST_SHARE = {1: 0.10, 20: 0.40}  # of the time without tools


def main() -> None:
    """Measure, print the tables and write the CSV."""
    chosen = options("Crossings of rays with meshes, and the cost of tools.")
    rows: list[Row] = []
    about = machine()
    for name, mesh in meshes(chosen.short).items():
        count = 20_000 if chosen.short else 200_000
        for kind, ends in (("camera", of_camera(mesh, count)), ("random", at_random(mesh, count))):
            rows.append({"case": f"{name}, {kind} rays", **rates(mesh, *ends, chosen.repetitions)})
    torch.set_num_threads(chosen.threads)
    pixels = 256 if chosen.short else _PIXELS
    rows += costs(pixels, chosen.repetitions)
    save("meshes", rows, chosen.out, about)
    print_table("crossings, all of every ray, one thread", [r for r in rows if "faces" in r], _RATES)
    print_table(f"projector(), {pixels}²", [r for r in rows if "faces" not in r], _COSTS)


_RATES = ("case", "faces", "tree_s", "crossings", "ours_per_s", "embree_per_s", "times_faster", "embree_first_per_s")
_COSTS = ("case", "ms", "cpu_ms", "share", "cpu_share", "must")


def meshes(short: bool) -> dict[str, Mesh]:
    """A screw of 10 000 faces, and a ball of a million."""
    screw = Tool.make("bone screw", kind="HA 4.5", length_mm=60.0).mesh
    return {"bone screw": screw, "ball": Mesh(*ball(20.0, 60 if short else 710))}


def ball(radius: float, around: int) -> tuple[Tensor, Tensor]:
    """Vertices and faces of a ball of `around`² · 2 faces, from a cylinder of squares drawn together at its ends."""
    angle = 2 * torch.pi * torch.arange(around, dtype=torch.float64) / around
    height = torch.cos(torch.pi * torch.arange(1, around, dtype=torch.float64) / around)
    r = (1 - height**2).sqrt()[:, None]
    x, y, z = r * torch.cos(angle), r * torch.sin(angle), height[:, None].expand(-1, around)
    vertices = radius * torch.cat(
        [torch.stack([x, y, z], -1).reshape(-1, 3), torch.tensor([[0, 0, 1.0], [0, 0, -1.0]])]
    )
    here = torch.arange((around - 1) * around).reshape(around - 1, around)
    a, d = here[:-1], here[1:]
    b, c = a.roll(-1, 1), d.roll(-1, 1)
    north, south = len(vertices) - 2, len(vertices) - 1
    first, last = here[0], here[-1]
    faces = [torch.stack([a, d, c], -1).reshape(-1, 3), torch.stack([a, c, b], -1).reshape(-1, 3)]
    faces += [torch.stack([first, first.roll(-1), torch.full_like(first, north)], -1)]
    faces += [torch.stack([last.roll(-1), last, torch.full_like(last, south)], -1)]
    return vertices, torch.cat(faces)


def of_camera(mesh: Mesh, count: int) -> tuple[Tensor, Tensor]:
    """Ends [N, 3] of the rays of a camera 500 mm away, through the box of a mesh, row by row."""
    (low, high), side = mesh.bounds, int(count**0.5)
    u, v = (torch.linspace(0, 1, side, dtype=torch.float64) for _ in range(2))
    y, z = torch.meshgrid(low[1] + u * (high[1] - low[1]), low[2] + v * (high[2] - low[2]), indexing="ij")
    middle = (low[0] + high[0]) / 2
    through = torch.stack([torch.full_like(y, middle), y, z], dim=-1).reshape(-1, 3)
    source = torch.tensor([middle - 500.0, 0.0, float(low[2] + high[2]) / 2], dtype=torch.float64).expand_as(through)
    return source.contiguous(), source + 2 * (through - source)


def at_random(mesh: Mesh, count: int) -> tuple[Tensor, Tensor]:
    """Ends [N, 3] of rays in random directions through random points of the box of a mesh."""
    generator = torch.Generator().manual_seed(1)
    low, high = mesh.bounds
    through = low + torch.rand(count, 3, generator=generator, dtype=torch.float64) * (high - low)
    way = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator, dtype=torch.float64), dim=-1)
    return through - 3 * mesh.radius_mm * way, through + 3 * mesh.radius_mm * way


def rates(mesh: Mesh, source: Tensor, target: Tensor, repetitions: int) -> Row:
    """Crossings per second of rays with a mesh, on one thread."""
    torch.set_num_threads(1)
    rays = Rays(source[None], target[None])
    tool = Tool(mesh, "titanium")
    begun = time.process_time()
    found = len(cross([tool], rays).ray)
    row: Row = {"faces": len(mesh.faces), "tree_s": time.process_time() - begun, "crossings": found}
    row["ours_per_s"] = found / shortest(lambda: cross([tool], rays), repetitions)[1]
    embree = embree_of(mesh)
    if embree is not None:
        origins, directions = source.numpy(), (target - source).numpy()
        all_hits = len(embree(origins, directions, True))
        row["embree_crossings"] = all_hits
        row["embree_per_s"] = all_hits / shortest(lambda: embree(origins, directions, True), repetitions)[1]
        first = len(embree(origins, directions, False))
        row["embree_first_per_s"] = first / shortest(lambda: embree(origins, directions, False), repetitions)[1]
        row["times_faster"] = row["ours_per_s"] / row["embree_per_s"]
    return row


def embree_of(mesh: Mesh) -> Callable[..., Any] | None:
    """Faces that rays cross, by Embree; None without embreex."""
    try:
        import trimesh
        from trimesh.ray.ray_pyembree import RayMeshIntersector
    except ImportError as error:
        print(f"no Embree here: {error}")
        return None
    engine = RayMeshIntersector(trimesh.Trimesh(mesh.vertices.numpy(), mesh.faces.numpy(), process=False))
    return lambda origins, directions, every: engine.intersects_id(origins, directions, multiple_hits=every)[0]


def costs(pixels: int, repetitions: int) -> list[Row]:
    """Time of an expected image with no tool, one and twenty."""
    ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
    ct.orient_patient(head_first=True, supine=True)
    carm = MobileCArm()
    carm.reposition(ct.center_in_world)
    camera, tools = carm.camera.resized(pixels, pixels), screws(ct.center_in_world, 20)
    scenes = {count: Scene(ct, *tools[:count]) for count in (0, 1, 20)}
    times: dict[int, list[tuple[float, float]]] = {count: [] for count in scenes}
    for repetition in range(repetitions + 1):
        for count, scene in scenes.items():
            pair = timed(lambda scene=scene: expose(scene, camera, Technique(), ("expected_image",)))  # type: ignore[misc]
            if repetition:  # the first prepares densities and trees
                times[count].append(pair)
    found = {count: [1e3 * min(part) for part in zip(*pairs, strict=True)] for count, pairs in times.items()}
    return [
        {
            "case": f"{count} tools",
            "ms": ms,
            "cpu_ms": cpu_ms,
            "share": ms / found[0][0] - 1,
            "cpu_share": cpu_ms / found[0][1] - 1,
            "must": _MOST_SHARE.get(count),
        }
        for count, (ms, cpu_ms) in found.items()
    ]


def screws(center_world: Tensor, count: int) -> list[Tool]:
    """Bone screws of 60 mm at random, in the middle 120 mm of the patient."""
    generator = torch.Generator().manual_seed(0)
    model = Tool.make("bone screw", kind="HA 4.5", length_mm=60.0)
    found = []
    for n in range(count):
        tool = Tool(model.mesh, "titanium", name=f"screw {n}", key_points=model.key_points)
        tip = center_world + 120 * (torch.rand(3, generator=generator, dtype=torch.float64) - 0.5)
        tool.align(tip=tip, direction=torch.randn(3, generator=generator, dtype=torch.float64))
        found.append(tool)
    return found


def shortest(call: Callable[[], object], repetitions: int) -> tuple[float, float]:
    """Shortest time and shortest processor time of a call, s."""
    wall, processor = zip(*(timed(call) for _ in range(repetitions)), strict=True)
    return min(wall), min(processor)


def timed(call: Callable[[], object]) -> tuple[float, float]:
    begun, used = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - begun, time.process_time() - used


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # the CT ends inside the beam
    main()
