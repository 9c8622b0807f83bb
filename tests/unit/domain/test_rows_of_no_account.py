"""Rows of no configured account are named by what their account column holds."""

from __future__ import annotations

import pytest

from reconciler.domain.model.rows_of_no_account import RowsOfNoAccount

FOUND = RowsOfNoAccount(1_005, 12, (("ghost", 1_000), (None, 3)))


def test_the_text_names_values_and_counts() -> None:
    """NULL is no text, and values that are not named are counted."""
    assert FOUND.text == '"ghost" 1,000, NULL 3, 10 other values'
    assert RowsOfNoAccount().text == ""


def test_it_is_stored_and_read_back() -> None:
    """A report holds it as JSON; anything else there is refused."""
    assert RowsOfNoAccount.of_dict(FOUND.to_dict()) == FOUND
    for wrong in ({"rows": "x"}, {"rows": 1, "values": 1, "most": 3}, {}):
        with pytest.raises((KeyError, TypeError)):
            RowsOfNoAccount.of_dict(wrong)
