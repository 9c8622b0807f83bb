"""A one-off sweep of a person while the service holds the account."""

from __future__ import annotations

import json
import signal

from tests.acceptance.service.conftest import ServiceInstallation


def test_a_sweep_is_handed_over(installation: ServiceInstallation) -> None:
    """Beside the service, sweep --apply is made by the service, with the same report and in the name of the person."""
    installation.note_window_sweep()
    daemon = installation.start()
    daemon.wait_for("sweep.finished", job="due")
    installation.add_payments(2)
    code, out, _ = installation.run("sweep", "--apply", "--kind", "due", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["corrected"], found["complete"], found["applied"]) == (2, True, True)
    assert found["asked_by"] not in ("", "service")
    assert daemon.wait_for("request.taken")["asked_by"] == found["asked_by"]
    assert installation.query(
        "SELECT DISTINCT body ->> 'asked_by' FROM reconciler.ledger WHERE action = 'correction'"
    ) == [(found["asked_by"],)]
    assert installation.query("SELECT status FROM reconciler.sweep_requests") == [("done",)]
    assert daemon.end() == 0


def test_its_report_is_the_same(installation: ServiceInstallation) -> None:
    """A dry run's CSV has the same lines as that of a sweep without a service."""
    installation.configure_service(mode="report")
    intents = installation.add_payments(3)
    alone = installation.run("sweep", "--format", "csv")
    daemon = installation.start()
    daemon.wait_for("sweep.finished", job="window")
    beside = installation.run("sweep", "--format", "csv")
    assert (beside[0], sorted(beside[1].splitlines())) == (0, sorted(alone[1].splitlines()))
    assert all(intent in beside[1] for intent in intents)
    # the lines came in a page of their own, which the command has removed
    stored = "SELECT result -> 'lines', result -> 'line_pages' FROM reconciler.sweep_requests"
    assert installation.query(stored) == [([], 1)]
    assert installation.query("SELECT count(*) FROM reconciler.sweep_request_lines") == [(0,)]
    assert daemon.end() == 0


def test_the_mode_caps_it(installation: ServiceInstallation) -> None:
    """A service in the mode "report" changes no row for a request either: the command says so first, and ends with 75."""
    installation.configure_service(mode="report")
    installation.add_payments(1)
    daemon = installation.start()
    daemon.wait_for("sweep.finished", job="due")
    code, out, err = installation.run("sweep", "--apply", "--json")
    found = json.loads(out)
    assert (code, found["applied"], found["recorded"]) == (75, False, True)
    assert 'in the mode "report": this sweep will only record' in err
    assert installation.count_by_status() == {"pending": 1}
    assert daemon.end() == 0


def test_the_command_may_be_interrupted(installation: ServiceInstallation) -> None:
    """Ctrl-C ends the wait of the command; the sweep goes on to its end."""
    installation.configure_service(requests_per_second=40)
    daemon = installation.start()
    daemon.wait_for("sweep.finished", job="window")
    installation.add_payments(120)
    command = installation.start_command("sweep", "--apply", "--kind", "due")
    daemon.wait_for("page.examined", job="request")
    command.send_signal(signal.SIGINT)
    _, err = command.communicate(timeout=30)
    assert command.returncode == 75
    assert "continues the sweep" in err

    daemon.wait_for("sweep.finished", job="request", complete=True, corrected=120)
    assert installation.count_by_status() == {"paid": 120}
    assert daemon.end() == 0


def test_a_service_that_stops_leaves_the_sweep_to_the_command(
    installation: ServiceInstallation,
) -> None:
    """The service is stopped during the sweep: the command takes the account itself and makes the sweep."""
    installation.configure_service(requests_per_second=40)
    daemon = installation.start()
    daemon.wait_for("sweep.finished", job="window")
    installation.add_payments(120)
    command = installation.start_command("sweep", "--apply", "--kind", "due", "--json")
    daemon.wait_for("page.examined", job="request")
    assert daemon.end() == 0

    out, _ = command.communicate(timeout=30)
    assert command.returncode == 0
    assert json.loads(out)["complete"] is True
    assert installation.count_by_status() == {"paid": 120}


def test_invalid_requests_in_the_table_are_refused(installation: ServiceInstallation) -> None:
    """Options that the service does not understand are refused, and the service goes on."""
    installation.execute(
        "INSERT INTO reconciler.sweep_requests (account, asked_by, options)"
        " VALUES ('default', 'ana', '[]'), ('default', 'ana', '{\"kind\": \"all\"}')"
    )
    daemon = installation.start()
    daemon.wait_for("sweep.finished", job="due")
    code, _, _ = installation.run("sweep", "--kind", "due")
    assert code == 0
    assert installation.query(
        "SELECT status, count(*) FROM reconciler.sweep_requests GROUP BY 1 ORDER BY 1"
    ) == [
        ("done", 1),
        ("refused", 2),
    ]
    assert daemon.end() == 0


def test_revert_works_beside_the_service(installation: ServiceInstallation) -> None:
    """A revert needs no lease: a person takes a sweep's corrections back while the service runs."""
    installation.add_payments(1)
    daemon = installation.start()
    sweep = daemon.wait_for("sweep.finished", corrected=1)["sweep"]
    code, _, err = installation.run("revert", str(sweep))
    assert (code, err) == (0, "")
    assert installation.count_by_status() == {"pending": 1}
    assert installation.run("verify")[0] == 0
    assert daemon.end() == 0


def test_it_carries_out_what_a_reviewer_accepted(installation: ServiceInstallation) -> None:
    """A request that a page stores is carried out within seconds, in the reviewer's name."""
    installation.add_payments(1)
    installation.query("UPDATE payments SET status = 'canceled' RETURNING 1")
    assert installation.run("sweep", "--record")[0] == 0
    daemon = installation.start()
    daemon.wait_for("sweep.finished", job="due")
    ask = (
        "WITH asked AS (INSERT INTO reconciler.acceptance_requests"
        " (account, discrepancy, fingerprint, amount_differs, note, asked_by)"
        " SELECT account, id, fingerprint, false, 'shipped', 'web:ana' FROM reconciler.discrepancies RETURNING account)"
        " SELECT pg_notify('reconciler_sweep_requests', account) FROM asked"
    )
    installation.query(ask)
    answered = daemon.wait_for("acceptance.answered")
    assert (answered["asked_by"], answered["outcome"]) == ("web:ana", "done")
    assert installation.count_by_status() == {"paid": 1}
    assert daemon.end() == 0
