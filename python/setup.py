"""Builds the library and the program with the project's CMake and puts both into the package.

RWKVMON_PREBUILT=DIR takes them from a finished build (DIR/librwkvmon.so.0, DIR/rwkvmon) instead.
"""
import os
import shutil
import subprocess
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # setuptools before 70.1
    from wheel.bdist_wheel import bdist_wheel

ROOT = Path(__file__).resolve().parent.parent
FILES = ("librwkvmon.so.0", "rwkvmon")


def build_native() -> Path:
    """The folder that holds FILES."""
    prebuilt = os.environ.get("RWKVMON_PREBUILT")
    if prebuilt:
        return Path(prebuilt)
    if not (ROOT / "CMakeLists.txt").exists():
        raise SystemExit("rwkvmon: the C sources are not beside this folder; install from a clone: pip install ./python")
    for command in (
        ["tools/deps", "--check", "web", "build"],  # names what is missing, says why, and stops
        ["make", "web/node_modules/.done"],
    ):
        subprocess.run(command, cwd=ROOT, check=True)
    made = ROOT / "build"  # by `make`: only what changed since is compiled
    if (made / "CMakeCache.txt").exists() and os.access(made, os.W_OK):
        where = made
    else:
        where = ROOT / "build-python"
        subprocess.run(["cmake", "-S", ".", "-B", str(where), "-DCMAKE_BUILD_TYPE=Release", "-DRWKVMON_TESTS=OFF"],
                       cwd=ROOT, check=True)
    subprocess.run(["cmake", "--build", str(where), "-j", str(os.cpu_count() or 2), "--target", "rwkvmon", "rwkvmon_cli"],
                   cwd=ROOT, check=True)
    return where


class BuildWithNative(build_py):
    def run(self):
        super().run()
        to = Path(self.build_lib) / "rwkvmon" / "_native"
        to.mkdir(parents=True, exist_ok=True)
        native = build_native()
        for name in FILES:
            shutil.copy(native / name, to / name)
        for name in ("LICENSE", "NOTICE"):  # a prebuilt library may come without the sources
            if (ROOT / name).exists():
                shutil.copy(ROOT / name, to / name)


class PlatformWheel(bdist_wheel):
    """Any Python 3, this platform alone."""

    def finalize_options(self):
        super().finalize_options()
        self.root_is_pure = False

    def get_tag(self):
        return ("py3", "none", super().get_tag()[2])


class NativeDistribution(Distribution):
    def has_ext_modules(self):
        return True


setup(cmdclass={"build_py": BuildWithNative, "bdist_wheel": PlatformWheel}, distclass=NativeDistribution)
