"""What torch's waiting threads cost a `Projector`: processor and wall time per image, each way in a process of its own.

    python benchmarks/threads.py [--images 10] [--binning 6]

Rows: deepdrr imported before torch, torch before deepdrr, and threads that spin as they did before
(`OMP_WAIT_POLICY=active`); see docs/concepts/speed.md.
"""

import argparse
import os
import subprocess
import sys

PROGRAM = """
import os, sys, time
{imports}
from deepdrr import MobileCArm, Projector, Volume
from deepdrr.device import CArmGeometry
from deepdrr.resources import resource_path

ct = Volume.from_nifti(resource_path("data/ct/pelvis.nii.gz"))
ct.orient_patient(head_first=True, supine=True)
carm = MobileCArm(geometry=CArmGeometry().binned({binning}))
with Projector(ct, carm=carm) as projector:
    noise = torch.Generator().manual_seed(0)
    projector(generator=noise)
    processor, wall = time.process_time(), time.perf_counter()
    for _ in range({images}):
        projector(generator=noise)
    processor, wall = time.process_time() - processor, time.perf_counter() - wall
print(f"{{1000 * processor / {images}:.0f}} ms of processor time, {{1000 * wall / {images}:.0f}} ms in all, per image")
"""
WAYS = {
    "deepdrr imported first": ("import deepdrr, torch", None),
    "torch imported first": ("import torch, deepdrr", None),
    "spinning threads": ("import torch, deepdrr", "active"),
}


def main() -> None:
    """Print a line for each way."""
    parser = argparse.ArgumentParser(description="What torch's waiting threads cost a Projector.")
    parser.add_argument("--images", type=int, default=10, help="images to take the mean of")
    parser.add_argument("--binning", type=int, default=6, help="of the 1536×1536 pixels of the default detector")
    chosen = parser.parse_args()
    for name, (imports, policy) in WAYS.items():
        environment = {key: value for key, value in os.environ.items() if key != "OMP_WAIT_POLICY"}
        environment |= {} if policy is None else {"OMP_WAIT_POLICY": policy}
        program = PROGRAM.format(imports=imports, images=chosen.images, binning=chosen.binning)
        command = [sys.executable, "-c", program]
        done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
        print(f"{name:24} {done.stdout.strip()}", flush=True)
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors")


if __name__ == "__main__":
    main()
