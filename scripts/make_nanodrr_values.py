"""Make tests/data/nanodrr_values.json: pictures and gradients of a small scene by nanodrr.

    pip install nanodrr==0.1.7
    python scripts/make_nanodrr_values.py tests/data/nanodrr_values.json

The scene is tests/drr/nanodrr_cases.py. Each case is stored with many samples, together with the deviation of nanodrr's
result with fewer samples: its sampling error, by which deepdrr's result with as many samples may differ.
"""

import json
import sys
from importlib.metadata import version
from pathlib import Path

import nanodrr.camera
import nanodrr.data
import nanodrr.drr
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "tests" / "drr"))
from nanodrr_cases import CASES, Peer, results

FEW, MANY = 60, 1500


def main() -> None:
    """Write the file named on the command line."""
    peer = Peer(nanodrr.camera, nanodrr.data, nanodrr.drr)
    cases = {}
    for case in CASES:
        many, few = results(peer, case, MANY), results(peer, case, FEW)
        cases[case] = {
            name: {
                "shape": list(value.shape),
                "values": [float(f"{number:.7g}") for number in value.flatten().tolist()],
                "error_at_few": float((few[name] - value).abs().max()),
            }
            for name, value in many.items()
        }
    made = {
        "command": "python scripts/make_nanodrr_values.py tests/data/nanodrr_values.json",
        "versions": {"nanodrr": version("nanodrr"), "torch": torch.__version__},
        "samples": {"few": FEW, "many": MANY},
        "cases": cases,
    }
    Path(sys.argv[1]).write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
