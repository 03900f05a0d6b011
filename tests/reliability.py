"""Makes the tables of docs/reliability.md from the tests that carry the mark ``fault``.

    @pytest.mark.fault("numbers", "what is done to it", "what holds then")
    @pytest.mark.fault("numbers", "...", "...", tries=100)      that often in each run of the test

A row is made of all tests and parameters with the same words. ``pytest -m fault --reliability``
(`make reliability`) counts them and writes the page; a part of the tests renews its own rows alone.
The first argument is one of AREAS.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

TESTS = Path(__file__).resolve().parent
PAGE = TESTS.parent / "docs" / "reliability.md"
AREAS = {
    "numbers": "Numbers",
    "processes": "Many processes",
    "interruption": "Interruption and damage",
    "machines": "Machines",
    "security": "Files that nobody vouches for",
}
BEGIN = "<!-- tables: made by `make reliability` -->\n"
END = "<!-- end of tables -->\n"
HEAD = "| what is done to it | what holds | tried |\n|---|---|---|\n"
ROW = re.compile(r"^\| (.+) \| (.+) \| (\d[^|]*) \|$", re.MULTILINE)


class Fault(NamedTuple):
    """One row: its area, what is done and what holds; and how often a test tries it."""

    area: str
    done: str
    holds: str
    tries: int = 1


def marked_faults() -> Iterator[Fault]:
    """The rows that the tests ask for, read from their source."""
    for path in sorted(TESTS.rglob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            for mark in getattr(node, "decorator_list", []):
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.fault":
                    yield Fault(*(ast.literal_eval(argument) for argument in mark.args[:3]))


def rows_of(page: str) -> dict[str, str]:
    """What is done to it, and how often it was tried, as the page has it."""
    tables = page.partition(BEGIN)[2].partition(END)[0]
    return {done: tried for done, _, tried in ROW.findall(tables)}


def renewed(page: str, faults: list[Fault], tried: dict[str, list[int]]) -> str:
    """The page with a row for each of ``faults``.

    Args:
        page: as it was; rows that were not tried now keep their number.
        faults: every row that there is.
        tried: of those tried now, how often, and how often it held.
    """
    before, _, rest = page.partition(BEGIN)
    after = rest.partition(END)[2]
    numbers = rows_of(page)
    numbers |= {
        done: f"{held}" if held == tries else f"{tries}, held {held}"
        for done, (tries, held) in tried.items()
    }
    tables = ""
    for area, title in AREAS.items():
        rows = dict.fromkeys(f[:3] for f in faults if f.area == area and f.done in numbers)
        if rows:
            lines = [f"| {done} | {holds} | {numbers[done]} |\n" for _, done, holds in rows]
            tables += f"\n## {title}\n\n{HEAD}{''.join(lines)}"
    return f"{before}{BEGIN}{tables}\n{END}{after}"


class Counter:
    """Counts the tries of each fault while pytest runs."""

    def __init__(self) -> None:
        self.tried: dict[str, list[int]] = {}

    def pytest_runtest_logreport(self, report) -> None:
        for name, value in report.user_properties:
            if name == "fault" and (report.when == "call" or report.failed) and not report.skipped:
                fault = Fault(*value)
                counts = self.tried.setdefault(fault.done, [0, 0])
                counts[0] += fault.tries
                counts[1] += fault.tries * report.passed

    def pytest_sessionfinish(self, session) -> None:
        page = renewed(PAGE.read_text(), list(marked_faults()), self.tried)
        PAGE.write_text(page)


def pytest_addoption(parser) -> None:
    parser.addoption("--reliability", action="store_true", help=f"write {PAGE.name}")


def pytest_configure(config) -> None:
    if config.getoption("--reliability") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Counter())


def pytest_runtest_setup(item) -> None:
    mark = item.get_closest_marker("fault")
    if mark is not None:  # travels with the report, from a worker of xdist too
        item.user_properties.append(("fault", list(Fault(*mark.args, **mark.kwargs))))
