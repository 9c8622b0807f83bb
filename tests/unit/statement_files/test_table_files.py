"""The files of a page's table: what an auditor needs is whole in them."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from reconciler.entrypoints.web.tables import Table, text_column

LONG = "SELECT sum(amount) " + "-- a comment of the query\n" * 150


@pytest.mark.parametrize("is_whole", [True, False])
def test_a_long_text_is_whole_in_the_files_of_a_certificate(tmp_path: Path, is_whole: bool) -> None:
    """In CSV and in a workbook; another table of the pages is cut."""
    table = Table("one", "One", (text_column("Value", str),), [LONG], is_whole=is_whole)
    assert (LONG in "".join(table.csv_parts()).replace("\r\n", "\n")) == is_whole
    table.write_workbook(tmp_path / "one.xlsx")
    with zipfile.ZipFile(tmp_path / "one.xlsx") as book:
        sheet = book.read("xl/worksheets/sheet1.xml").decode()
    assert (sheet.count("a comment of the query") == 150) == is_whole
