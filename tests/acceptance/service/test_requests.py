"""A person's sweep while the service holds the account."""

from __future__ import annotations

import json
import signal

from tests.acceptance.service.conftest import Town


def test_a_pass_is_handed_over(town: Town) -> None:
    """sweep --apply beside the service: made by it, with the same report, in the name of whoever asked."""
    town.window_was_read()
    daemon = town.start()
    daemon.event("pass.finished", job="due")
    town.pay(2)
    code, out, _ = town.run("sweep", "--apply", "--kind", "due", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["corrected"], found["complete"], found["applied"]) == (2, True, True)
    assert found["asked_by"] not in ("", "service")
    assert daemon.event("request.taken")["asked_by"] == found["asked_by"]
    assert town.ask(
        "SELECT DISTINCT body ->> 'asked_by' FROM reconciler.ledger WHERE action = 'correction'"
    ) == [(found["asked_by"],)]
    assert town.ask("SELECT status FROM reconciler.sweep_requests") == [("done",)]
    assert daemon.end() == 0


def test_its_report_is_the_same(town: Town) -> None:
    """A dry run's table and its CSV are those of a sweep without a service, single decisions included."""
    town.configure(mode="report")
    intents = town.pay(3)
    alone = town.run("sweep", "--format", "csv")
    daemon = town.start()
    daemon.event("pass.finished", job="window")
    beside = town.run("sweep", "--format", "csv")
    assert (beside[0], sorted(beside[1].splitlines())) == (0, sorted(alone[1].splitlines()))
    assert all(intent in beside[1] for intent in intents)
    assert daemon.end() == 0


def test_the_mode_caps_it(town: Town) -> None:
    """A service that only reports touches no row, whoever asks."""
    town.configure(mode="report")
    town.pay(1)
    daemon = town.start()
    daemon.event("pass.finished", job="due")
    code, out, _ = town.run("sweep", "--apply", "--json")
    found = json.loads(out)
    assert (code, found["applied"], found["recorded"]) == (0, False, True)
    assert town.statuses() == {"pending": 1}
    assert daemon.end() == 0


def test_whoever_asked_may_go_away(town: Town) -> None:
    """Ctrl-C ends the waiting; the sweep goes on to its end."""
    town.configure(speed=40)
    daemon = town.start()
    daemon.event("pass.finished", job="window")
    town.pay(120)
    command = town.begin("sweep", "--apply", "--kind", "due")
    daemon.event("page.examined", job="request")
    command.send_signal(signal.SIGINT)
    out, _ = command.communicate(timeout=30)
    assert command.returncode == 75
    assert "goes on" in out
    daemon.event("pass.finished", job="request", complete=True, corrected=120)
    assert town.statuses() == {"paid": 120}
    assert daemon.end() == 0


def test_a_service_that_stops_leaves_the_pass_to_whoever_asked(town: Town) -> None:
    """The service is stopped in the middle: the command takes the account itself and finishes."""
    town.configure(speed=40)
    daemon = town.start()
    daemon.event("pass.finished", job="window")
    town.pay(120)
    command = town.begin("sweep", "--apply", "--kind", "due", "--json")
    daemon.event("page.examined", job="request")
    assert daemon.end() == 0
    out, _ = command.communicate(timeout=30)
    assert command.returncode == 0
    assert json.loads(out)["complete"] is True
    assert town.statuses() == {"paid": 120}


def test_nonsense_in_the_table_is_refused(town: Town) -> None:
    """Options that nobody understands are answered, and the service goes on."""
    town.execute(
        "INSERT INTO reconciler.sweep_requests (account, asked_by, options)"
        " VALUES ('default', 'someone', '[]'), ('default', 'someone', '{\"kind\": \"all\"}')"
    )
    daemon = town.start()
    daemon.event("pass.finished", job="due")
    code, _, _ = town.run("sweep", "--kind", "due")
    assert code == 0
    assert town.ask(
        "SELECT status, count(*) FROM reconciler.sweep_requests GROUP BY 1 ORDER BY 1"
    ) == [
        ("done", 1),
        ("refused", 2),
    ]
    assert daemon.end() == 0


def test_revert_works_beside_it(town: Town) -> None:
    """A person's single act needs no takeover: a sweep is taken back while the service runs."""
    town.pay(1)
    daemon = town.start()
    sweep = daemon.event("pass.finished", corrected=1)["sweep"]
    code, _, err = town.run("revert", str(sweep))
    assert (code, err) == (0, "")
    assert town.statuses() == {"pending": 1}
    assert town.run("verify")[0] == 0
    assert daemon.end() == 0
