"""Payments that are on their way have a list on the statement's page, and so in its files."""

from __future__ import annotations

from reconciler.domain.statement.statement_figures import CurrencyStatement
from reconciler.entrypoints.web.pages.statement_details import named_table


def test_payments_without_a_finding_are_listed_with_a_link() -> None:
    """Each with why it differs; those that no sweep has named are only counted elsewhere."""
    one = CurrencyStatement(
        "eur", waiting_payments=(30, ("pi_1",)), returned_payments=(1, ("pi_2",))
    )
    table = named_table("default", one)
    first, second = table.cells()
    assert first[0][1].href == "/payment?account=default&name=pi_1"
    assert [row[1][1].text for row in (first, second)] == [
        "a webhook may be on its way",
        "all money went back on both sides",
    ]
    assert "pi_2,all money went back on both sides" in "".join(table.csv_parts())
    assert not named_table("default", CurrencyStatement("eur")).rows
