"""The table of number formats: every row leads to a chapter and a paper, and its numbers are what the package says."""

import format_table
import pytest
from execute import chapters

from workbench.cite import bibliography
from workbench.quantizers import FORMATS
from workbench.quantizers.noise import sqnr_of_uniform

ROWS = format_table.rows()


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_row_leads_to_a_chapter_and_a_paper(row):
    *_, paper, chapter = row
    assert f"notebooks/{chapter}" in chapters()
    assert paper in bibliography()


def test_the_table_is_the_same_each_time_it_is_made():
    assert format_table.rows() == ROWS and len({row[0] for row in ROWS}) == len(FORMATS)


def test_numbers_of_known_rows():
    bits = {name: float(stored) for name, stored, *_ in ROWS}
    noise = {name: float(decibels) for name, _, decibels, *_ in ROWS}
    assert bits["INT4, blocks of 32"] == 4 + 32 / 32 and bits["MXFP4"] == 4 + 8 / 32 and bits["NVFP4"] == 4 + 8 / 16
    assert abs(noise["INT8, one step a row"] - noise["INT4, one step a row"] - sqnr_of_uniform(8) + sqnr_of_uniform(4)) < 0.3
    assert noise["NF4"] > noise["INT4, blocks of 64, 16-bit steps"] > noise["Dynamic exponent, 4 bits, blocks of 128"]
