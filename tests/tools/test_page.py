"""The page of results, beside what test_report.py reads from it."""

import re
from html import unescape

from matplotlib.font_manager import FontProperties
from matplotlib.textpath import TextPath
from page import page_of
from records import RECORDS, read_records

LINE = re.compile(r'<text x="(\d+)" y="(\d+)">([^<]*)</text>')
VALUE = re.compile(r'<text class="value" x="(\d+)" y="(\d+)" text-anchor="end">([^<]*)</text>')


def test_no_name_runs_into_its_value():
    """Where a browser has no narrower font than DejaVu Sans, at the page's 12 units."""
    font = FontProperties(family="DejaVu Sans")

    def width(text: str) -> float:
        return TextPath((0, 0), text, size=12, prop=font).get_extents().width

    charts = re.findall("<svg.*?</svg>", page_of(read_records(RECORDS), []))
    pairs = set()
    for chart in charts:
        values = {y: (int(end), value) for end, y, value in VALUE.findall(chart)}
        pairs |= {
            (int(x), unescape(name), *values[y])
            for x, y, name in LINE.findall(chart)
            if y in values
        }
    assert len(pairs) > 100
    for start, name, end, value in pairs:
        assert start + width(name) < end - width(value), f"{name} runs into {value}"
