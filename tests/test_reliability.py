"""docs/reliability.md has a row for each fault that a test tries, and each of them held."""

from tests.reliability import AREAS, PAGE, Counter, Fault, marked_faults, renewed, rows_of

EMPTY = "# Title\n<!-- tables: made by `make reliability` -->\n<!-- end of tables -->\nlast\n"


def test_every_marked_fault_has_its_row_and_held():
    rows = rows_of(PAGE.read_text())
    faults = list(marked_faults())
    assert {fault.area for fault in faults} <= set(AREAS)
    assert set(rows) == {fault.done for fault in faults}, "run `make reliability`"
    assert all(tried.isdigit() and int(tried) > 0 for tried in rows.values())
    words = {}
    for fault in faults:  # one row, one promise
        assert words.setdefault(fault.done, fault.holds) == fault.holds


def test_a_part_renews_its_own_rows_and_a_failure_shows():
    faults = [Fault("numbers", "a", "b"), Fault("machines", "c", "d"), Fault("numbers", "a", "b")]
    first = renewed(EMPTY, faults, {"a": [7, 7], "c": [3, 3]})
    assert rows_of(first) == {"a": "7", "c": "3"}
    assert first.startswith("# Title\n") and first.endswith("last\n")
    second = renewed(first, faults, {"c": [5, 4]})
    assert rows_of(second) == {"a": "7", "c": "5, held 4"}
    assert rows_of(renewed(second, faults[:1], {})) == {"a": "7"}  # the test has gone


def test_counts_what_ran(pytestconfig):
    class Report:
        user_properties = (("fault", ["numbers", "a", "b", 20]),)

        def __init__(self, when, outcome):
            self.when = when
            self.passed, self.failed, self.skipped = (
                outcome == word for word in ("passed", "failed", "skipped")
            )

    counter = Counter()
    for when, outcome in (
        ("setup", "passed"), ("call", "passed"), ("teardown", "passed"),
        ("call", "failed"), ("setup", "failed"), ("setup", "skipped"),
    ):  # fmt: skip
        counter.pytest_runtest_logreport(Report(when, outcome))
    assert counter.tried == {"a": [60, 20]}
