"""Run the tutorial, docs/tutorial.md, from top to bottom, and write its pictures to a folder.

    python examples/tutorial.py --out docs/tutorial

The page is the source: the same code runs here and in the tests.
"""

import argparse
import contextlib
import re
import shutil
import tempfile
from pathlib import Path

import matplotlib

from deepdrr.resources import resource_path

PAGE = Path(__file__).parent.parent / "docs/tutorial.md"


def main() -> None:
    """Run the page in an empty folder beside a CT, and keep the pictures."""
    parser = argparse.ArgumentParser(description="Run the tutorial and keep its pictures.")
    parser.add_argument("--out", type=Path, default=Path("out/tutorial"), help="folder for the pictures")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    matplotlib.use("agg")
    with tempfile.TemporaryDirectory() as folder:
        shutil.copy(resource_path("data/ct/pelvis.nii.gz"), Path(folder) / "ct.nii.gz")
        with contextlib.chdir(folder):
            run(PAGE.read_text(encoding="utf-8"))
        for picture in sorted(Path(folder).iterdir()):
            if picture.suffix in (".png", ".gif"):
                shutil.copy(picture, out / picture.name)
                print(f"wrote {out / picture.name}, {picture.stat().st_size / 1000:.0f} kB")


def run(page: str) -> None:
    """Run all Python blocks of a page as one program."""
    blocks = re.findall(r"^```python\n(.*?)^```", page, flags=re.DOTALL | re.MULTILINE)
    exec(compile("\n".join(blocks), str(PAGE), "exec"), {"__name__": "tutorial"})


if __name__ == "__main__":
    main()
