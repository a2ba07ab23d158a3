"""What users of nanodrr write works as they write it, with the import root changed; the data from a folder."""

from collections.abc import Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

matplotlib = pytest.importorskip("matplotlib", reason="drawing needs the extra deepdrr[plot]")
pytest.importorskip("pyvista", reason="scenes need the extra deepdrr[scene]", exc_type=ImportError)

from deepdrr.camera import invert_rt_inv, make_k_inv, make_rt_inv, resample  # noqa: E402
from deepdrr.data import Subject, download_deepfluoro  # noqa: E402
from deepdrr.data.preprocess import HU_BONE, MU_BONE, MU_WATER, hu_to_mu  # noqa: E402
from deepdrr.drr import DRR, render  # noqa: E402
from deepdrr.geometry import convert, transform_point  # noqa: E402
from deepdrr.metrics import NormalizedCrossCorrelation2d  # noqa: E402
from deepdrr.plot import overlay, plot_drr  # noqa: E402
from deepdrr.registration import Registration  # noqa: E402
from deepdrr.resources import resource_path  # noqa: E402
from deepdrr.scene import visualize_scene  # noqa: E402

DEVICE = torch.device("cpu")


@pytest.fixture(autouse=True)
def _without_a_screen() -> Iterator[None]:
    matplotlib.use("agg")
    yield
    matplotlib.pyplot.close("all")


@pytest.fixture
def paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """The bundled pelvis and its bones in place of the data set's first subject."""
    mirror = tmp_path / "mirror" / "subject01"
    mirror.mkdir(parents=True)
    ct = nibabel.load(resource_path("data/ct/pelvis.nii.gz"))
    coarse = np.asarray(ct.dataobj)[::4, ::4, ::2]
    affine = ct.affine @ np.diag([4.0, 4.0, 2.0, 1.0])
    nibabel.save(nibabel.Nifti1Image(coarse, affine), mirror / "volume.nii.gz")
    nibabel.save(nibabel.Nifti1Image((coarse > 200).astype(np.uint8) * 2, affine), mirror / "mask.nii.gz")
    monkeypatch.setenv("DEEPDRR_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("DEEPDRR_DEEPFLUORO_URL", mirror.parent.as_uri())
    return download_deepfluoro(subject_id=1, progress=False)


def test_the_basic_tutorial(paths: tuple[str, str]) -> None:
    imagepath, labelpath = paths
    subject = Subject.from_filepath(imagepath, labelpath).to(DEVICE)
    assert subject.n_classes == 3
    sdd = 1020.0
    height = width = 64
    k_inv = make_k_inv(sdd, 6.0, 6.0, 0.0, 0.0, height, width, device=DEVICE)
    sdd = torch.tensor([sdd], device=DEVICE)
    rt_inv = make_rt_inv(
        torch.tensor([[0.0, 0.0, 0.0], [30.0, 0.0, 0.0]], device=DEVICE),
        torch.tensor([[0.0, 850.0, 0.0], [0.0, 850.0, 0.0]], device=DEVICE),
        orientation="AP",
        isocenter=subject.isocenter,
    )
    img = render(subject, k_inv, rt_inv, sdd, height, width)
    assert img.shape == (2, 3, height, width)
    axs = plot_drr(img, ticks=False, title=["0", "30"])
    assert len(axs) == 2

    drr = DRR.from_carm_intrinsics(1020.0, 6.0, 6.0, 0.0, 0.0, height, width, device=DEVICE)
    torch.testing.assert_close(drr(subject, rt_inv), img)
    drr.height, drr.width = 32, 48
    assert drr(subject, rt_inv).shape == (2, 3, 32, 48)

    bright = []
    subject = Subject.from_filepath(imagepath, mu_bone=MU_BONE).to(DEVICE)
    drr = DRR(k_inv, sdd, height, width)
    for multiplier in range(5):
        subject.mu_bone = multiplier * MU_BONE
        bright.append(float(drr(subject, rt_inv).max()))
    assert bright == sorted(bright)
    torch.testing.assert_close(subject.image, hu_to_mu(subject.image_hu, MU_WATER, 4 * MU_BONE, HU_BONE))

    coarser = make_k_inv(1020.0, 12.0, 12.0, 0.0, 0.0, height // 2, width // 2)
    assert resample(img, k_inv.expand(2, 3, 3), coarser.expand(2, 3, 3)).shape[:2] == (2, 3)
    rotation, translation = invert_rt_inv(rt_inv, "AP", subject.isocenter)
    torch.testing.assert_close(rotation[1], torch.tensor([30.0, 0.0, 0.0]), rtol=0.0, atol=1e-3)
    torch.testing.assert_close(translation[0], torch.tensor([0.0, 850.0, 0.0]), rtol=0.0, atol=1e-2)
    turned = convert(torch.tensor([[0.0, 0.0, torch.pi]]), torch.zeros(1, 3), "so3_log")
    torch.testing.assert_close(
        transform_point(turned, torch.tensor([[[1.0, 0.0, 0.0]]])), torch.tensor([[[-1.0, 0.0, 0.0]]])
    )


def test_the_scene(paths: tuple[str, str]) -> None:
    import pyvista

    subject = Subject.from_filepath(*paths)
    k_inv, sdd = make_k_inv(1020.0, 12.0, 12.0, 0.0, 0.0, 32, 32), torch.tensor([1020.0])
    rt_inv = make_rt_inv(torch.zeros(1, 3), torch.tensor([[0.0, 850.0, 0.0]]), "AP", subject.isocenter)
    plotter = visualize_scene(
        subject, k_inv, rt_inv, sdd, 32, 32, use_label=True, plotter=pyvista.Plotter(off_screen=True), n_samples=64
    )
    assert len(plotter.actors) == 4
    plotter.close()


def test_the_registration_tutorial(paths: tuple[str, str]) -> None:
    subject = Subject.from_filepath(paths[0]).to(DEVICE)
    height = width = 40
    k_inv = make_k_inv(1020.0, 10.0, 10.0, 0.0, 0.0, height, width, device=DEVICE)
    sdd = torch.tensor([1020.0], device=DEVICE)

    def pose(rotation: list[float], translation: list[float]) -> torch.Tensor:
        made = make_rt_inv(
            rotation=torch.tensor([rotation]),
            translation=torch.tensor([translation]),
            orientation="AP",
            isocenter=subject.isocenter.cpu(),
        )
        return made.to(dtype=torch.float32, device=DEVICE)

    rt_inv_true, rt_inv_pred = pose([0.0, 0.0, 0.0], [0.0, 850.0, 0.0]), pose([-4.0, 8.0, -6.0], [-12.0, 830.0, -20.0])
    true = render(subject, k_inv, rt_inv_true, sdd, height, width)
    reg = Registration(subject, rt_inv_pred, k_inv, sdd, height, width)
    ncc = NormalizedCrossCorrelation2d()
    optim = torch.optim.Adam(
        [{"params": [reg._rot], "lr": 5e-2}, {"params": [reg._xyz], "lr": 1e1}],
        maximize=True,
    )
    losses = []
    for _ in range(60):
        optim.zero_grad()
        pred = reg()
        loss = ncc(true, pred)
        loss.backward()
        optim.step()
        losses.append(loss.item())
        if loss > 0.999:
            break
    assert losses[0] < 0.95
    assert losses[-1] > 0.99
    overlay(pred.detach(), true)
