"""Build: compiles the kernels and places the shipped data inside the package. Metadata is in pyproject.toml."""

import os
import platform
import shutil
import sys
import tempfile
import threading
from pathlib import Path

import pybind11
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import CompileError, LinkError

ROOT = Path(__file__).parent
SHARED_FOLDERS = ("data",)

sys.path.insert(0, str(ROOT / "kernels" / "cuda"))
import nvcc_build  # noqa: E402

# GCC and Clang. Not -ffast-math: the kernels rely on infinities and on the order of their sums.
UNIX_FLAGS = ["-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden", "-g0", "-pthread"]
UNIX_SIMD_FLAGS = ["-fopenmp-simd", "-DDEEPDRR_OPENMP_SIMD"]
MSVC_FLAGS = ["/std:c++17", "/O2", "/EHsc", "/utf-8"]

# The builds of the kernels beside the baseline, x86-64 only: (flags of GCC and Clang, flags of MSVC).
BUILDS = {
    "avx2": (["-mavx2", "-mfma"], ["/arch:AVX2"]),
    "avx512": (
        ["-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mfma", "-mprefer-vector-width=512"],
        ["/arch:AVX512"],
    ),
}

NO_COMPILER = """
deepdrr needs a C++17 compiler to be installed from source, and the one found cannot compile and link a small program:

    {error}

Linux: install g++ or clang++ (Debian: apt-get install g++). macOS: xcode-select --install. Windows: the C++ workload of
Visual Studio Build Tools. CXX names another compiler.
"""

PROBE = "#include <thread>\nint main() { std::thread([] {}).join(); return 0; }\n"


class BuildWithData(build_py):
    """Copies the repository's top-level data folders to ``deepdrr/_share`` in the wheel."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:
            return
        for name in SHARED_FOLDERS:
            target = Path(self.build_lib) / "deepdrr" / "_share" / name
            shutil.copytree(ROOT / name, target, dirs_exist_ok=True)


class BuildKernels(build_ext):
    """Compiles one module per instruction set, side by side, with the flags that the compiler at hand understands."""

    _thread = threading.local()

    def finalize_options(self) -> None:
        super().finalize_options()
        self.parallel = self.parallel or os.cpu_count()

    def build_extensions(self) -> None:
        msvc = self.compiler.compiler_type == "msvc"
        common = MSVC_FLAGS if msvc else UNIX_FLAGS
        if (error := self._refuses(common)) is not None:
            raise SystemExit(NO_COMPILER.format(error=error))
        if not msvc:
            common = self._with_simd(common)
        for extension in self.extensions:
            unix_flags, msvc_flags = BUILDS.get(extension.name.rpartition("_")[2], ([], []))
            extension.extra_compile_args = common + (msvc_flags if msvc else unix_flags)
            extension.extra_link_args = [] if msvc else ["-pthread"]
        self.extensions[:] = [e for e in self.extensions if self._understands(e)]
        super().build_extensions()
        self._build_cuda()

    def _build_cuda(self) -> None:
        """The kernels for NVIDIA GPUs, where nvcc is: nothing is compiled on the user's machine at run time.

        A build in place, or for an editable install, is a developer's: it gets PTX alone, which takes seconds, unless
        architectures are named.
        """
        named, in_place = nvcc_build.VARIABLE in os.environ, self.inplace or self.editable_mode
        architectures = () if in_place and not named else nvcc_build.wanted_architectures()
        package = (ROOT if in_place else Path(self.build_lib)) / "deepdrr"
        try:
            nvcc_build.build(package, architectures)
        except RuntimeError as error:
            print(f"deepdrr: built without the CUDA kernels ({error}); the CPU's are complete without them")

    def copy_file(self, infile: str, outfile: str, *args: object, **options: object) -> tuple[str, bool]:  # type: ignore[override]
        """Copies aside, then renames: whoever imports a module meanwhile gets the old one or the new one, whole."""
        aside = f"{outfile}.new"
        _, copied = super().copy_file(infile, aside, *args, **options)
        Path(aside).replace(outfile)
        return outfile, copied

    def build_extension(self, extension: Extension) -> None:
        """Keeps the object files of one source, compiled with different flags, apart."""
        self._thread.folder = str(Path(self.build_temp) / extension.name)
        try:
            super().build_extension(extension)
        finally:
            del self._thread.folder

    @property
    def build_temp(self) -> str:
        """Where the object files of the module that this thread builds go."""
        return getattr(self._thread, "folder", self._folder)

    @build_temp.setter
    def build_temp(self, folder: str) -> None:
        self._folder = folder

    def _with_simd(self, flags: list[str]) -> list[str]:
        """The flags with OpenMP's vector pragmas, or a notice where the compiler has none."""
        error = self._refuses(flags + UNIX_SIMD_FLAGS)
        if error is None:
            return flags + UNIX_SIMD_FLAGS
        print(
            f"deepdrr: the compiler has no -fopenmp-simd ({error}); the kernels are built without it and may be slower"
        )
        return flags

    def _understands(self, extension: Extension) -> bool:
        error = self._refuses(extension.extra_compile_args)
        if error is not None:
            print(f"deepdrr: {extension.name} is left out, the compiler refuses its flags ({error})")
        return error is None

    def _refuses(self, flags: list[str]) -> Exception | None:
        """Why a small program with threads cannot be compiled with these flags; None if it can."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "probe.cpp"
            source.write_text(PROBE)
            try:
                objects = self.compiler.compile([str(source)], output_dir=folder, extra_postargs=flags)
                link_flags = [flag for flag in flags if flag == "-pthread"]
                program = str(Path(folder) / "probe")
                self.compiler.link_executable(objects, program, extra_postargs=link_flags, target_lang="c++")
            except (CompileError, LinkError, OSError) as error:
                return error
        return None


def kernels(build: str) -> Extension:
    """The extension module of one build."""
    headers = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "kernels").rglob("*.h"))
    return Extension(
        f"deepdrr._kernels_{build}",
        sources=sorted(str(path.relative_to(ROOT)) for path in (ROOT / "kernels" / "cpu" / "modules").glob("*.cpp")),
        depends=headers,
        include_dirs=["kernels/include", "kernels/cpu", pybind11.get_include()],
        define_macros=[("DEEPDRR_MODULE", f"_kernels_{build}")],
        language="c++",
    )


def wanted_builds() -> list[str]:
    """All that suit this processor, or those that DEEPDRR_BUILDS names, separated by commas, to save time at work."""
    # macOS may build for several processors at once (ARCHFLAGS): the baseline is then the only build that suits all.
    x86 = platform.machine().lower() in {"x86_64", "amd64"} and "ARCHFLAGS" not in os.environ
    builds = ["baseline", *(BUILDS if x86 else ())]
    chosen = [name for name in os.environ.get("DEEPDRR_BUILDS", "").split(",") if name]
    if unknown := sorted({*chosen} - {*builds}):
        raise SystemExit(f"DEEPDRR_BUILDS must name some of {', '.join(builds)}, got {', '.join(unknown)}")
    return chosen or builds


setup(
    cmdclass={"build_py": BuildWithData, "build_ext": BuildKernels},
    ext_modules=[kernels(build) for build in wanted_builds()],
)
