"""Look at this environment: what is here, what works, and how to mend what does not.

    python -m snr_plugins.doctor        in the repository: python tools/doctor.py

Versions and those that do not go together, compiled operators, devices with SNR's kernels against
their formulas, the renderer of the synthetic city, and dataset folders. Ends with 1 where this
package cannot work; what is merely absent is a note.
"""

from __future__ import annotations

import argparse
import importlib.util
import shlex
import sys
from collections.abc import Iterator, Sequence

from snr_plugins.doctor import probes
from snr_plugins.doctor.probes import Finding


def report() -> Iterator[Finding]:
    """Everything that is looked at, one after the other."""
    versions = probes.installed_versions()
    yield from probes.versions_found(versions)
    yield from probes.parts_found()
    yield from probes.devices_found(versions)
    yield from probes.datasets_found()


def main() -> int:
    """The report on stdout; 1 where this package cannot work."""
    argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    ).parse_args()
    broken = 0
    mends: list[str] = []
    for found in report():
        print(f"{found.level:6}  {found.text}")
        if found.mend:
            print(f"        mend: {found.mend}")
            mends.append(found.mend)
        broken += found.level == probes.BROKEN
        sys.stdout.flush()
    if broken:
        print(f"\n{broken} broken: snr_plugins cannot work here until that is mended")
    if hint := where_pip_goes(mends):
        print(f"\n{hint}")
    return int(broken > 0)


def where_pip_goes(mends: Sequence[str]) -> str:
    """A Python without pip, as uv makes it: the shell's ``pip`` would mend another."""
    if not any("pip " in mend for mend in mends) or importlib.util.find_spec("pip"):
        return ""
    return (
        "This Python has no pip, and the shell's would change another one: write\n"
        f"uv pip install --python {shlex.quote(sys.executable)} for pip install"
    )


if __name__ == "__main__":
    sys.exit(main())
