"""Build: compiles the kernels and places the shipped data inside the package. Metadata is in pyproject.toml.

DEEPDRR_BUILDS names the instruction sets to compile for, separated by commas, or is "all". By default a wheel has all
that suit its kind of processor, and a build in place (or for an editable install) the best that runs on this machine.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import pybind11
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext
from setuptools.command.build_py import build_py
from setuptools.errors import CompileError, LinkError
from setuptools.modified import newer_group

ROOT = Path(__file__).parent
SHARED_FOLDERS = ("data",)

sys.path.insert(0, str(ROOT / "kernels" / "cuda"))
import nvcc_build  # noqa: E402

# GCC and Clang. Not -ffast-math: the kernels rely on infinities and on the order of their sums.
UNIX_FLAGS = ["-std=c++17", "-O3", "-fno-math-errno", "-fno-trapping-math", "-fvisibility=hidden", "-g0", "-pthread"]
UNIX_SIMD_FLAGS = ["-fopenmp-simd", "-DDEEPDRR_OPENMP_SIMD"]
MSVC_FLAGS = ["/std:c++17", "/O2", "/EHsc", "/utf-8"]


class InstructionSet(NamedTuple):
    """Flags of GCC and Clang, flags of MSVC, and what `__builtin_cpu_supports` must say yes to."""

    unix_flags: tuple[str, ...] = ()
    msvc_flags: tuple[str, ...] = ()
    features: tuple[str, ...] = ()


# Best first, as deepdrr/_kernels.py tries them. Beside the baseline they are x86-64's.
BUILDS = {
    "avx512": InstructionSet(
        ("-mavx512f", "-mavx512dq", "-mavx512vl", "-mavx512bw", "-mfma", "-mprefer-vector-width=512"),
        ("/arch:AVX512",),
        ("avx512f", "avx512dq", "avx512vl", "avx512bw", "fma"),
    ),
    "avx2": InstructionSet(("-mavx2", "-mfma"), ("/arch:AVX2",), ("avx2", "fma")),
    "baseline": InstructionSet(),
}

NO_COMPILER = """
deepdrr needs a C++17 compiler to be installed from source, and the one found cannot compile and link a small program:

    {error}

Linux: install g++ or clang++ (Debian: apt-get install g++). macOS: xcode-select --install. Windows: the C++ workload of
Visual Studio Build Tools. CXX names another compiler.
"""

PROBE = "#include <thread>\nint main() { std::thread([] {}).join(); return %s; }\n"


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
    """Compiles one module per instruction set: all their sources, and the CUDA kernels, share the cores.

    Object files stay in build/objects, whatever is installed from the tree: a wheel after an editable install compiles
    nothing again.
    """

    # Whether it is a developer's build, in the source tree or for an editable install.
    _in_place = False
    _told_where = False  # by --build-temp

    def finalize_options(self) -> None:
        self._told_where = self.build_temp is not None
        super().finalize_options()

    def run(self) -> None:
        self._in_place = bool(self.inplace or self.editable_mode)  # super().run() hides `inplace` while it builds
        super().run()

    def build_extensions(self) -> None:
        self._set_flags()
        self.extensions[:] = self._wanted_extensions()
        jobs = [(extension, source) for extension in self.extensions for source in extension.sources]
        cores = self.parallel or os.cpu_count() or 1
        if not self._told_where:
            self.build_temp = str(self._objects())
        names = ", ".join(build_of(extension) for extension in self.extensions)
        print(f"deepdrr: compiling {len(jobs)} files for {names} on {cores} cores", flush=True)
        with ThreadPoolExecutor(cores) as pool:
            cuda = pool.submit(self._build_cuda)
            objects = list(pool.map(self._compile, *zip(*jobs, strict=True)))
            cuda.result()
        for extension in self.extensions:
            extension.extra_objects = [made for (of, _), made in zip(jobs, objects, strict=True) if of is extension]
            extension.depends, extension.sources = extension.extra_objects, []
        self.parallel = False  # what is left is to link
        super().build_extensions()

    def _objects(self) -> Path:
        """The folder of object files of this compiler, its flags, Python and pybind11."""
        compiler = [*getattr(self.compiler, "compiler_so", ()), *getattr(self.compiler, "compiler_so_cxx", ())]
        made_by = " ".join([*compiler, self.plat_name, str(sys.implementation.cache_tag), pybind11.__version__])
        return ROOT / "build" / "objects" / hashlib.sha256(made_by.encode()).hexdigest()[:12]

    def _wanted_extensions(self) -> list[Extension]:
        """Those that are named, or all for a wheel, or the best of this machine; old modules of others are removed."""
        named, understood = named_builds(), [e for e in self.extensions if self._understands(e)]
        if named is not None:
            wanted = [e for e in understood if build_of(e) in named]
        elif self._in_place and self._is_unix():
            wanted = [next(e for e in understood if self._runs_here(build_of(e)))]
        else:
            wanted = understood
        if self._in_place:
            for extension in (e for e in self.extensions if e not in wanted):  # an old module would be taken for new
                (ROOT / self.get_ext_filename(extension.name)).unlink(missing_ok=True)
        return wanted

    def _is_unix(self) -> bool:
        return bool(self.compiler.compiler_type != "msvc")

    def _set_flags(self) -> None:
        common = UNIX_FLAGS if self._is_unix() else MSVC_FLAGS
        if (error := self._refuses(common)) is not None:
            raise SystemExit(NO_COMPILER.format(error=error))
        if self._is_unix():
            common = self._with_simd(common)
        for extension in self.extensions:
            extension.extra_compile_args = common + self._own_flags(build_of(extension))
            extension.extra_link_args = ["-pthread"] if self._is_unix() else []

    def _own_flags(self, build: str) -> list[str]:
        return list(BUILDS[build].unix_flags if self._is_unix() else BUILDS[build].msvc_flags)

    def _compile(self, extension: Extension, source: str) -> str:
        """The object file of one source, in its module's own folder; one that is up to date is left as it is.

        It is compiled aside and renamed: one that is there is whole.
        """
        folder = str(Path(self.build_temp) / extension.name)
        (made,) = self.compiler.object_filenames([source], output_dir=folder)
        if self.force or newer_group([source, *extension.depends], made):
            macros, includes = extension.define_macros, extension.include_dirs
            flags = extension.extra_compile_args
            Path(made).parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=Path(made).parent) as aside:
                (new,) = self.compiler.compile([source], aside, macros, includes, extra_postargs=flags)
                Path(new).replace(made)
        return str(made)

    def _build_cuda(self) -> None:
        """The kernels for NVIDIA GPUs, where nvcc is: nothing is compiled on the user's machine at run time.

        A build in place gets PTX alone, which takes seconds, unless architectures are named.
        """
        named = nvcc_build.VARIABLE in os.environ
        architectures = () if self._in_place and not named else nvcc_build.wanted_architectures()
        package = (ROOT if self._in_place else Path(self.build_lib)) / "deepdrr"
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
        error = self._refuses(self._own_flags(build_of(extension)))
        if error is not None:
            print(f"deepdrr: {extension.name} is left out, the compiler refuses its flags ({error})")
        return error is None

    def _runs_here(self, build: str) -> bool:
        """Whether this machine's processor has all instructions of a build."""
        supported = " && ".join(f'__builtin_cpu_supports("{feature}")' for feature in BUILDS[build].features)
        return self._refuses([], f"!({supported})") is None if supported else True

    def _refuses(self, flags: list[str], status: str = "0") -> Exception | None:
        """Why a program with threads cannot be compiled with these flags, or fails when run; None if all is well."""
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "probe.cpp"
            source.write_text(PROBE % status)
            try:
                objects = self.compiler.compile([str(source)], output_dir=folder, extra_postargs=flags)
                link_flags = [flag for flag in ["-pthread"] if self._is_unix()]
                program = str(Path(folder) / "probe")
                self.compiler.link_executable(objects, program, extra_postargs=link_flags, target_lang="c++")
                if status != "0":
                    subprocess.run([program], check=True)
            except (CompileError, LinkError, OSError, subprocess.CalledProcessError) as error:
                return error
        return None


def kernels(build: str) -> Extension:
    """The extension module of one build."""
    folder = ROOT / "kernels"
    return Extension(
        f"deepdrr._kernels_{build}",
        sources=[str(path.relative_to(ROOT)) for path in sorted((folder / "cpu" / "modules").glob("*.cpp"))],
        depends=["setup.py", *(str(path.relative_to(ROOT)) for path in sorted(folder.rglob("*.h")))],
        include_dirs=["kernels/include", "kernels/cpu", pybind11.get_include()],
        define_macros=[("DEEPDRR_MODULE", f"_kernels_{build}")],
        language="c++",
    )


def build_of(extension: Extension) -> str:
    """The build's name in BUILDS."""
    return str(extension.name).rpartition("_kernels_")[2]


def possible_builds() -> list[str]:
    """All that suit this kind of processor."""
    # macOS may build for several processors at once (ARCHFLAGS): the baseline is then the only build that suits all.
    x86 = platform.machine().lower() in {"x86_64", "amd64"} and "ARCHFLAGS" not in os.environ
    return list(BUILDS) if x86 else ["baseline"]


def named_builds() -> list[str] | None:
    """Those that DEEPDRR_BUILDS names, or None where it is not set."""
    chosen = [name for name in os.environ.get("DEEPDRR_BUILDS", "").split(",") if name]
    possible = possible_builds()
    if unknown := sorted({*chosen} - {*possible, "all"}):
        raise SystemExit(f"DEEPDRR_BUILDS must be all or some of {', '.join(possible)}, got {', '.join(unknown)}")
    return possible if "all" in chosen else chosen or None


setup(
    cmdclass={"build_py": BuildWithData, "build_ext": BuildKernels},
    ext_modules=[kernels(build) for build in possible_builds()],
)
