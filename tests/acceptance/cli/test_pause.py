"""``pause`` and ``resume``: what a person does at three in the morning."""

from __future__ import annotations

import json

import pytest

from tests.acceptance.cli.conftest import Town


def test_pause_and_resume(town: Town) -> None:
    """After ``pause`` no command writes a row; every view of the status says so; after ``resume`` the next sweep corrects."""
    town.pay(1)
    for kind in ("tail", "due", "window"):
        assert town.run("sweep", "--record", "--kind", kind).code == 0
    answer = town.run("pause", "--for", "2h", "--by", "Ada")
    assert answer.code == 0
    assert "Account default is paused by Ada (" in answer.out

    swept = town.run("sweep", "--apply")
    assert swept.code == 75
    assert "run: reconciler resume --account default" in swept.out
    assert town.statuses() == {"1": "pending"}

    town.shop.execute("UPDATE payments SET status = 'paid'")
    agreeing = town.run("sweep", "--apply")
    assert agreeing.code == 0
    assert "Account default is paused by Ada (" in agreeing.out
    assert "The pause holds back no correction of this sweep." in agreeing.out
    town.shop.execute("UPDATE payments SET status = 'pending'")

    assert "paused by Ada (" in town.run("status").out
    (one,) = json.loads(town.run("status", "--json").out)
    assert one["paused"]["asked_by"] == town.ask("SELECT asked_by FROM reconciler.pauses")[0][0]
    assert one["paused"]["claimed_by"] == "Ada"
    assert one["paused"]["until"] is not None
    assert town.run("status").code == 0
    assert town.run("status", "--exit-code").code == 1
    assert town.run("status", "--json", "--exit-code").code == 1
    nagios = town.run("status", "--format", "nagios")
    assert nagios.code >= 1
    assert "writes to your rows are paused" in nagios.out

    assert "no longer paused" in town.run("resume").out
    assert "was not paused" in town.run("resume").out
    (one,) = json.loads(town.run("status", "--json").out)
    assert one["paused"] is None
    assert town.run("sweep", "--apply").code == 0
    assert town.statuses() == {"1": "paid"}
    assert town.run("verify").code == 0


@pytest.mark.parametrize("duration", ["soon", "0", "-1h", "9999999999d", "400d", ""])
def test_a_duration_that_is_none(town: Town, duration: str) -> None:
    """It is a fault of the command line, and nothing is paused."""
    answer = town.run("pause", f"--for={duration}")
    assert answer.code == 64
    assert "--for" in answer.err
    assert town.ask("SELECT * FROM reconciler.pauses") == []


def test_an_account_that_is_none(town: Town) -> None:
    """It is named, and nothing is paused."""
    answer = town.run("pause", "--account", "nothing")
    assert answer.code == 64
    assert town.ask("SELECT * FROM reconciler.pauses") == []


def test_a_revert_during_a_pause(town: Town) -> None:
    """It is refused, with the command that ends the pause."""
    town.pay(1)
    assert town.run("sweep", "--apply").code == 0
    assert town.run("pause").code == 0
    (number,) = town.ask("SELECT max(id) FROM reconciler.sweeps WHERE applied")[0]
    answer = town.run("revert", str(number))
    assert answer.code == 75
    assert "hint: To write again, run: reconciler resume --account default" in answer.err
    assert town.statuses() == {"1": "paid"}
