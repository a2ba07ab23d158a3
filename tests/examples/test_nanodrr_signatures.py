"""The functions of nanodrr 0.1.7 take the same arguments here, in the same order, with the same defaults."""

import importlib
import inspect
import re

import pytest

from deepdrr.data.preprocess import HU_BONE, MU_BONE, MU_WATER

# Room and name, then the arguments that can be given; more may follow here. `Subject` is made by its class methods.
SIGNATURES = f"""
camera.make_k_inv sdd delx dely x0 y0 height width dtype=None device=None
camera.make_rt_inv rotation translation orientation='AP' isocenter=None
camera.invert_rt_inv extrinsic_inv orientation='AP' isocenter=None
camera.resample img k_inv_old k_inv_new
data.Subject.from_filepath imagepath labelpath=None max_label=None
data.Subject.from_images image label=None max_label=None
data.Subject.set_mu mu_water=None mu_bone=None hu_bone=None
data.download_deepfluoro subject_id=1
data.preprocess.hu_to_mu data mu_water={MU_WATER} mu_bone={MU_BONE} hu_bone={HU_BONE}
drr.render subject k_inv rt_inv sdd height width n_samples=500 soft_labels=False orthographic=False src=None tgt=None \
backend='auto'
drr.DRR k_inv sdd height width orthographic=False
drr.DRR.forward subject rt_inv n_samples=500 soft_labels=False backend='auto'
drr.DRR.from_carm_intrinsics sdd delx dely x0 y0 height width orthographic=False dtype=None device=None
geometry.convert rotation translation parameterization convention=None degrees=True isocenter=None
geometry.transform_point xform v
metrics.DoubleGeodesicSE3 sdd eps=1e-07
metrics.DoubleGeodesicSE3.forward pose_1 pose_2
metrics.NormalizedCrossCorrelation2d patch_size=None eps=1e-07
metrics.NormalizedCrossCorrelation2d.forward x1 x2
metrics.MultiscaleNormalizedCrossCorrelation2d patch_sizes=(None,) patch_weights=(1.0,) eps=0.0001
metrics.MultiscaleNormalizedCrossCorrelation2d.forward x1 x2
metrics.GradientNormalizedCrossCorrelation2d patch_size=None sigma=1.0
metrics.GradientNormalizedCrossCorrelation2d.forward x1 x2
plot.plot_drr img mask=None title=None ticks=True axs=None cmap='gray' mask_cmap='Set2' mask_n_colors=7 \
interior_alpha=0.3 edge_alpha=1.0 edge_width=1
plot.overlay moving fixed title=None ticks=True axs=None blur_kernel=3 canny_low=0 canny_high=100 \
edge_color=(1.0, 0.0, 0.0) edge_alpha=1.0 edge_detection_size=200
plot.animate moving_img moving_mask=None out=None fixed_img=None fixed_mask=None titles=None ticks=True fps=20 \
pause=1.0 blur_kernel=3 canny_low=0 canny_high=100 edge_color=(1.0, 0.0, 0.0) edge_alpha=1.0 edge_detection_size=200 \
verbose=True
registration.Registration subject rt_inv k_inv sdd height width eps=1e-08
registration.Registration.forward n_samples=500 soft_labels=False backend='auto'
registration.Registration.rescale_ scale
scene.visualize_scene subject k_inv rt_inv sdd height width render_mesh=True render_imgs=True single_channel=False \
culling='back' use_label=False cutoff=0.01 plotter=None verbose=False
"""


@pytest.mark.parametrize("line", SIGNATURES.strip().split("\n"), ids=lambda line: line.split()[0])
def test_the_same_arguments(line: str) -> None:
    name, *expected = re.split(r" (?=[a-z])", line)
    room, *path = name.split(".") if ".preprocess." not in name else ("data.preprocess", name.split(".")[-1])
    found = importlib.import_module(f"deepdrr.{room}")
    for part in path:
        found = getattr(found, part)
    parameters = [p for p in inspect.signature(found).parameters.values() if p.name not in ("self", "cls")]
    ours = [p.name if p.default is p.empty else f"{p.name}={p.default!r}" for p in parameters]
    assert ours[: len(expected)] == expected
    more = parameters[len(expected) :]
    assert all(p.default is not p.empty or p.kind in (p.VAR_KEYWORD, p.VAR_POSITIONAL) for p in more)
