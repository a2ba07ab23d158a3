"""The pictures of docs/concepts/geometry.md: frames, orientations, angles, the isocenter and the pixels.

    python examples/geometry_pictures.py --out docs/images/geometry

The library computes everything in them: positions of sources and detectors, images, and projected points.
"""

import argparse
from pathlib import Path

import matplotlib
import numpy as np
import pyvista
import torch
from numpy.typing import NDArray
from torch import Tensor

from deepdrr.camera import make_k_inv, make_rt_inv, project_points
from deepdrr.data import Subject, fetch_sample
from deepdrr.drr import render
from deepdrr.plot import plot_drr
from deepdrr.scene import visualize_scene

matplotlib.use("agg")
from matplotlib import pyplot

SDD_MM, DISTANCE_MM, PIXEL_MM, SIZE = 1020.0, 700.0, 2.0, 200
BONE = 0.026  # 1/mm, attenuation at the drawn surface of bones
COLORS = ("crimson", "forestgreen", "royalblue")  # x, y and z


def main() -> None:
    """Draw all pictures."""
    parser = argparse.ArgumentParser(description="Pictures of frames, angles and pixels.")
    parser.add_argument("--out", type=Path, default=Path("out/geometry"), help="folder for the pictures")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    subject = Subject.from_filepath(fetch_sample("pelvis").image)
    for name, figure in (
        ("frames", frames(subject)),
        ("angles", angles(subject)),
        ("orbit", orbit(subject)),
        ("pixels", pixels()),
    ):
        figure.savefig(out / f"{name}.png", dpi=80)
        print(f"wrote {out / name}.png, {(out / f'{name}.png').stat().st_size / 1000:.0f} kB")


def pose(
    subject: Subject, orientation: str, *angles_deg: float, shift_mm: tuple[float, float, float] = (0, 0, 0)
) -> Tensor:
    """world_from_camera [1, 4, 4] of a source in front of the patient (AP) or behind (PA)."""
    away = torch.tensor([[0.0, DISTANCE_MM if orientation == "AP" else -DISTANCE_MM, 0.0]])
    rotation = torch.tensor([angles_deg or (0.0, 0.0, 0.0)])
    return make_rt_inv(rotation, away + torch.tensor([shift_mm]), orientation, subject.isocenter)


def intrinsics() -> tuple[Tensor, Tensor]:
    """k_inv [1, 3, 3] and sdd [1]."""
    return make_k_inv(SDD_MM, PIXEL_MM, PIXEL_MM, 0.0, 0.0, SIZE, SIZE), torch.tensor([SDD_MM])


def scene(
    subject: Subject, rt_inv: Tensor, *, axes: bool = True, size: tuple[int, int] = (520, 420)
) -> NDArray[np.uint8]:
    """The device around the bones, with the patient's axes in the isocenter and the camera's in the source."""
    plotter = pyvista.Plotter(off_screen=True, window_size=size)
    k_inv, sdd = intrinsics()
    visualize_scene(subject, k_inv, rt_inv, sdd, SIZE, SIZE, cutoff=BONE, plotter=plotter)
    origin = subject.isocenter.numpy()
    if axes:
        arrows(plotter, origin, np.eye(3), 260.0, ("right", "anterior", "superior"))
        arrows(plotter, rt_inv[0, :3, 3].numpy(), rt_inv[0, :3, :3].T.numpy(), 180.0, ("x", "y", "z"))
    plotter.camera.position = origin + np.array([1900.0, 1300.0, 900.0])
    plotter.camera.focal_point = origin
    plotter.camera.up = (0.0, 0.0, 1.0)
    picture: NDArray[np.uint8] = plotter.screenshot(return_img=True)
    plotter.close()
    return picture


def arrows(
    plotter: pyvista.Plotter, origin: NDArray, directions: NDArray, length: float, names: tuple[str, ...]
) -> None:
    """Draw three axes with their names at the ends."""
    for direction, color, name in zip(directions, COLORS, names, strict=True):
        plotter.add_mesh(
            pyvista.Arrow(start=origin, direction=direction, scale=length, shaft_radius=0.02, tip_radius=0.06),
            color=color,
        )
        plotter.add_point_labels(
            [origin + 1.1 * length * direction], [name], text_color=color, shape=None, show_points=False, font_size=16
        )


def frames(subject: Subject) -> pyplot.Figure:
    """AP and PA: where the source stands, how the camera's axes lie, and what the detector shows."""
    figure, axs = pyplot.subplots(2, 2, figsize=(11, 8), width_ratios=(1.4, 1.0), layout="constrained")
    for row, orientation in zip(axs, ("AP", "PA"), strict=True):
        rt_inv = pose(subject, orientation)
        row[0].imshow(scene(subject, rt_inv))
        row[0].set_axis_off()
        row[0].set_title(f'orientation="{orientation}"')
        k_inv, sdd = intrinsics()
        plot_drr(render(subject, k_inv, rt_inv, sdd, SIZE, SIZE), axs=row[1])
        for name, offset in {"right": (80.0, 0, 0), "superior": (0, 0, 60.0), "anterior": (0, 60.0, 0)}.items():
            uv, _ = project_points(subject.isocenter + torch.tensor([offset]), k_inv, rt_inv)
            row[1].plot(
                *(uv[0, 0] - 0.5).tolist(),
                "o",
                color=dict(zip(("right", "anterior", "superior"), COLORS, strict=True))[name],
            )
            row[1].annotate(name, (uv[0, 0] - 0.5).tolist(), color="w", textcoords="offset points", xytext=(6, 4))
    return figure


def angles(subject: Subject) -> pyplot.Figure:
    """Vary each of the three angles alone."""
    turns = {"0°, 0°, 0°": (0, 0, 0), "30°, 0°, 0°": (30, 0, 0), "0°, 30°, 0°": (0, 30, 0), "0°, 0°, 30°": (0, 0, 30)}
    figure, axs = pyplot.subplots(2, 4, figsize=(12, 5.6), layout="constrained")
    k_inv, sdd = intrinsics()
    for column, (title, turn) in zip(axs.T, turns.items(), strict=True):
        rt_inv = pose(subject, "AP", *map(float, turn))
        column[0].imshow(scene(subject, rt_inv, axes=False))
        column[0].set_axis_off()
        column[0].set_title(f"rotation ({title})")
        plot_drr(render(subject, k_inv, rt_inv, sdd, SIZE, SIZE), axs=column[1], ticks=False)
    return figure


def orbit(subject: Subject) -> pyplot.Figure:
    """From above the head: sources on a circle about the isocenter, and the effect of shifting the translation."""
    figure, axs = pyplot.subplots(ncols=2, figsize=(10, 5.2), sharey=True, layout="constrained")
    ways = (
        (
            "rotation (φ, 0°, 0°), φ from −60° (violet) to 60°",
            [pose(subject, "AP", float(a), 0.0, 0.0) for a in (-60, -30, 0, 30, 60)],
        ),
        (
            "translation (t, 700, 0), t from −100 (violet) to 100",
            [pose(subject, "AP", 30.0, 0.0, 0.0, shift_mm=(float(t), 0, 0)) for t in (-100, 0, 100)],
        ),
    )
    for ax, (title, poses) in zip(axs, ways, strict=True):
        axial_slice(ax, subject)
        for index, rt_inv in enumerate(poses):
            color = pyplot.cm.viridis(index / (len(poses) - 1))
            source = rt_inv[0, :3, 3]
            left, right = (source + SDD_MM * (rt_inv[0, :3, :3] @ side)[:3] for side in panel_sides())
            ax.plot(*zip(left[:2].tolist(), right[:2].tolist(), strict=True), color=color, linewidth=3)
            ax.plot(
                *zip(source[:2].tolist(), ((left + right) / 2)[:2].tolist(), strict=True), color=color, linewidth=0.8
            )
            ax.plot(*source[:2].tolist(), "o", color=color)
        ax.plot(*subject.isocenter[:2].tolist(), "r+", markersize=12)
        ax.set(xlabel="x, toward the patient's right, mm", aspect="equal")
        ax.set_title(title, fontsize=10)
    axs[0].set_ylabel("y, to the front, mm")
    return figure


def panel_sides() -> tuple[Tensor, Tensor]:
    """Directions in the camera to the middle of the detector's left and right edge, at z = 1."""
    k_inv, _ = intrinsics()
    left, right = (k_inv[0] @ torch.tensor([u, SIZE / 2, 1.0]) for u in (0.0, float(SIZE)))
    return left, right


def axial_slice(ax: pyplot.Axes, subject: Subject) -> None:
    """The slice through the isocenter, seen from the head: the patient's right is on the right."""
    k = round(float(subject.world_to_voxel[2, :3] @ subject.isocenter + subject.world_to_voxel[2, 3]))
    height, width = subject.image.shape[-2:]
    ends = torch.tensor([[-0.5, -0.5, k, 1.0], [width - 0.5, height - 0.5, k, 1.0]]) @ subject.voxel_to_world.T
    ax.imshow(
        subject.image[0, 0, k], cmap="gray_r", extent=(*ends[:, 0].tolist(), *ends[:, 1].tolist()), origin="lower"
    )


def pixels() -> pyplot.Figure:
    """A detector of 3 × 4 pixels: counting, centres, and the principal point for some x0 and y0."""
    height, width, pixel = 3, 4, 100.0
    figure, ax = pyplot.subplots(figsize=(6.2, 4.6), layout="constrained")
    for column in range(width + 1):
        ax.plot((column, column), (0, height), color="0.6")
    for row in range(height + 1):
        ax.plot((0, width), (row, row), color="0.6")
    v, u = np.mgrid[:height, :width] + 0.5
    ax.plot(u.ravel(), v.ravel(), "k.")
    ax.annotate("image[..., 0, 0]:\n(u, v) = (0.5, 0.5)", (0.5, 0.5), xytext=(0.06, 0.94), fontsize=9)
    ax.annotate(f"image[..., {height - 1}, {width - 1}]", (width - 0.5, height - 0.5), xytext=(3.05, 2.8), fontsize=9)
    for (x0, y0), color in {(0.0, 0.0): "crimson", (100.0, -50.0): "royalblue"}.items():
        k = torch.linalg.inv(make_k_inv(SDD_MM, pixel, pixel, x0, y0, height, width)[0])
        at = (float(k[0, 2]), float(k[1, 2]))
        ax.plot(*at, "P", color=color, markersize=10)
        ax.annotate(
            f"x0 = {x0:g} mm, y0 = {y0:g} mm", at, color=color, xytext=(-40, 8), textcoords="offset points", fontsize=9
        )
    ax.set(xlabel="u, columns", ylabel="v, rows", aspect="equal", xlim=(-0.3, width + 0.3), ylim=(height + 0.3, -0.3))
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.set_title(f"{height} × {width} pixels of {pixel:g} mm; principal points of make_k_inv", fontsize=10)
    return figure


if __name__ == "__main__":
    main()
