"""A sweep corrected several rows, and one correction was wrong: that one alone is undone."""

from __future__ import annotations

from tests.acceptance.cli.conftest import Town


def test_one_row_of_a_sweep_is_set_back(town: Town) -> None:
    """The answer names the row, its money, both statuses and the message; the other rows stay corrected."""
    intents = [town.pay(key, order=f"SO-{key}") for key in (1, 2)]
    sweep = str(town.run("sweep", "--apply", "--json").json["sweep"])
    assert town.run("revert", sweep, "--row", "3").code == 64
    assert town.statuses() == {"1": "paid", "2": "paid"}

    one = town.run("revert", sweep, "--row", "2")
    assert one.code == 0
    assert town.statuses() == {"1": "paid", "2": "pending"}
    for said in (
        f"Sweep {sweep}: 1 correction was undone.",
        f"2        SO-2   {intents[1]}  paid  pending  12.50 EUR",
        "a message through the outbox, of the kind revert",
    ):
        assert said in one.out

    rest = town.run("revert", sweep, "--json").json
    assert [row["payment"] for row in rest["undone"]] == ["1"]
    assert rest["reverted"] == 1
    assert [row["payment"] for row in rest["skipped"]] == ["2"]
