"""Everything is declared in pyproject.toml, but for what a wheel carries beside the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

CARRIED = ("configs", "tools")


class BuildWithConfigs(build_py):
    """Puts configs/ and tools/ into ``snr_plugins/.mim``, as OpenMMLab's packages do."""

    def run(self) -> None:
        super().run()
        if self.editable_mode:  # the repository's own folders are beside the package
            return
        for name in CARRIED:
            target = Path(self.build_lib, "snr_plugins", ".mim", name)
            shutil.rmtree(target, ignore_errors=True)  # of an earlier build
            shutil.copytree(name, target, ignore=shutil.ignore_patterns("__pycache__"))


setup(cmdclass={"build_py": BuildWithConfigs})
