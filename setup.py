"""Build: compiles the kernels and places the shipped data inside the package. Metadata is in pyproject.toml."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SHARED_FOLDERS = ("data",)


class BuildWithData(build_py):
    """Copies the repository's top-level data folders to ``deepdrr/_share`` in the wheel."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for name in SHARED_FOLDERS:
            target = Path(self.build_lib) / "deepdrr" / "_share" / name
            shutil.copytree(ROOT / name, target, dirs_exist_ok=True)


setup(cmdclass={"build_py": BuildWithData})
