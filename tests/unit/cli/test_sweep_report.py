"""The report of a sweep as text, as the documented JSON object, and as CSV."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from reconciler.domain.findings.discrepancy import Kind, Severity
from reconciler.domain.money import Money
from reconciler.engine.report import DecisionKind, Mode, ReportLine, SweepKind, SweepReport, Writing
from reconciler.entrypoints.cli.arguments import OutputFormat
from reconciler.entrypoints.cli.preview import PreviewWriter
from reconciler.entrypoints.cli.sweep_command import SweepCommand
from reconciler.entrypoints.cli.sweep_exit_code import exit_code_of
from reconciler.entrypoints.cli.sweep_report import MOST_LINES, MOST_LINES_OF_KIND, write_report
from reconciler.errors import ConfigurationError, DatabaseUnavailableError, WrongKeyError
from reconciler.exit_codes import ExitCode

DOCUMENTED = {
    "kind",
    "mode",
    "applied",
    "complete",
    "examined",
    "corrected",
    "would_correct",
    "waiting",
    "discrepancies",
    "reads",
    "rate_limited",
    "seconds",
}


COMMAND = SweepCommand(kind=SweepKind.DUE, since="30d", account="eu", by="o'neill")


def report(account: str = "default", writing: Writing = Writing.NOTHING) -> SweepReport:
    made = SweepReport(account, SweepKind.ALL, Mode.REPORT, writing, "me@here")
    made.examined, made.would_correct, made.waiting, made.reads, made.seconds = (
        1_200,
        1,
        2,
        14,
        3.25,
    )
    made.discrepancies.update({Kind.MISSED_OUTCOME: 1, Kind.CONTRADICTED: 1})
    made.stakes.update({(Kind.MISSED_OUTCOME, "eur"): 1_050, (Kind.CONTRADICTED, "eur"): 99_900})
    made.add_line(
        ReportLine(
            DecisionKind.CORRECT,
            "pi_1",
            ("7",),
            Kind.MISSED_OUTCOME,
            Severity.WARNING,
            Money(1_050, "eur"),
            "pending",
            "succeeded",
            "paid",
        )
    )
    made.add_line(
        ReportLine(
            DecisionKind.FLAG,
            "pi_2",
            ("8", "9"),
            Kind.CONTRADICTED,
            Severity.CRITICAL,
            Money(99_900, "eur"),
            "paid",
            "canceled",
            None,
            "reason",
        )
    )
    return made


def shown(
    capsys: pytest.CaptureFixture[str],
    *reports: SweepReport,
    output_format: OutputFormat = OutputFormat.TABLE,
) -> str:
    preview = PreviewWriter(output_format)
    for one in reports:
        for line in one.lines:
            preview.take(one.account, line)
    write_report(reports, output_format, preview, COMMAND)
    return capsys.readouterr().out


def test_the_text_of_a_dry_run(capsys: pytest.CaptureFixture[str]) -> None:
    """It says that nothing was written, what would be corrected, what a person decides, the money, and the next command."""
    text = shown(capsys, report())
    assert "a dry run, nothing was written" in text
    assert "1,200 examined; 1 to correct; 2 waiting; 14 reads; 3.2 s." in text
    assert text.index("Would correct:") < text.index("pi_1") < text.index("Flagged for a person:")
    assert "999.00 EUR" in text
    hint = """reconciler sweep --apply --kind due --since 30d --account eu --by 'o'"'"'neill'"""
    assert text.rstrip().endswith(hint)


def test_the_text_of_a_sweep_that_corrected(capsys: pytest.CaptureFixture[str]) -> None:
    """It shows the sweep's number, which a revert needs."""
    made = report(writing=Writing.ROWS)
    made.sweep, made.corrected, made.would_correct = 17, 1, 0
    text = shown(capsys, made)
    assert "Sweep 17 (all)" in text
    assert "1 corrected" in text
    assert "Corrected:" in text
    assert "--apply" not in text
    assert "To undo these corrections: reconciler revert 17 --account eu" in text
    made.outbox_waiting = 12
    assert "12 outbox rows wait" in shown(capsys, made)


def test_the_text_of_an_applied_sweep_without_a_correction(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It does not say that rows were corrected."""
    text = shown(capsys, report(writing=Writing.ROWS))
    assert "findings were recorded, no row was corrected." in text
    assert "rows were corrected" not in text


def test_a_correction_that_also_links_the_row_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    """The column "set to" names the PaymentIntent beside the status only if it is written too."""
    made = report()
    assert "its PaymentIntent" not in shown(capsys, made)
    made.lines[0] = replace(made.lines[0], writes_intent=True)
    assert "paid, with the PaymentIntent's id" in shown(capsys, made)


def test_corrections_that_were_taken_back_have_their_command(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A finding of the reason reverted is followed by the command that makes the corrections of its sweep once more."""
    made = report()
    assert "--again" not in shown(capsys, made)
    made.lines[1] = replace(made.lines[1], why="reverted", reverted_sweep=5)
    text = shown(capsys, made)
    assert "once more: reconciler sweep --apply --again 5 --account eu\n" in text
    assert "corrections of sweep 5" in text


def test_the_text_of_an_incomplete_sweep(capsys: pytest.CaptureFixture[str]) -> None:
    """It names what was not examined, and does not say that the sweep is complete."""
    made = report()
    made.miss("pi_9", "Stripe answered 500.")
    made.stop(DatabaseUnavailableError("The database went away.", "Start it."))
    text = shown(capsys, made)
    assert "pi_9" in text
    assert "Stripe answered 500." in text
    ending = "The sweep is not complete. Not examined: 1, and what the sweep had not reached yet.\n"
    assert ending in text
    assert "The database went away" not in text


def test_only_the_text_shortens_long_lists(capsys: pytest.CaptureFixture[str]) -> None:
    """The text shows the first lines and how to get the rest; CSV has every line."""
    made = report()
    for number in range(MOST_LINES + 5):
        made.add_line(ReportLine(DecisionKind.WAIT, f"pi_w{number}", ("1",)))
    text = shown(capsys, made)
    assert f"pi_w{MOST_LINES - 1} " in text
    assert f"pi_w{MOST_LINES} " not in text
    assert "… and 5 more; --format csv has all of them." in text
    rows = list(csv.DictReader(io.StringIO(shown(capsys, made, output_format=OutputFormat.CSV))))
    assert len(rows) == len(made.lines)


def test_one_kind_does_not_hide_the_others(capsys: pytest.CaptureFixture[str]) -> None:
    """Of one kind the text shows so many flagged lines: a wrong word of the mapping flags a whole table."""
    made = report()
    for number in range(MOST_LINES_OF_KIND + 7):
        made.add_line(
            ReportLine(
                DecisionKind.FLAG,
                f"pi_u{number}",
                ("1",),
                kind=Kind.UNKNOWN_STATUS,
                severity=Severity.WARNING,
            )
        )
    last = ReportLine(
        DecisionKind.FLAG, "pi_last", ("1",), kind=Kind.REGRESSED, severity=Severity.WARNING
    )
    made.add_line(last)
    text = shown(capsys, made)
    assert f"pi_u{MOST_LINES_OF_KIND - 1} " in text
    assert f"pi_u{MOST_LINES_OF_KIND} " not in text
    assert "pi_last" in text
    assert "… and 7 more; --format csv has all of them." in text


def test_json_of_one_account(capsys: pytest.CaptureFixture[str]) -> None:
    """The sweep of one account is one object, with a line for each item and every documented key."""
    text = shown(capsys, report(), output_format=OutputFormat.JSON)
    found = json.loads(text)
    assert text.count("\n") == 2 + len(found["items"])
    assert found.keys() >= DOCUMENTED
    assert found["discrepancies"] == {"contradicted": 1, "missed_outcome": 1}


def test_json_of_several_accounts(capsys: pytest.CaptureFixture[str]) -> None:
    """Sweeps of several accounts are still one object: counts are sums, and it is complete only if all sweeps are."""
    broken = report("us")
    broken.miss("pi_9", "why")
    found = json.loads(shown(capsys, report("eu"), broken, output_format=OutputFormat.JSON))
    assert found.keys() >= DOCUMENTED
    assert (found["examined"], found["reads"], found["seconds"]) == (2_400, 28, 6.5)
    assert found["discrepancies"] == {"contradicted": 2, "missed_outcome": 2}
    assert found["at_stake"][0] == {"kind": "contradicted", "currency": "eur", "amount": 199_800}
    assert found["complete"] is False
    assert [account["account"] for account in found["accounts"]] == ["eu", "us"]
    assert found["accounts"][0]["complete"] is True


def test_csv(capsys: pytest.CaptureFixture[str]) -> None:
    """CSV has a line for every decision, with amounts in minor units."""
    rows = list(
        csv.DictReader(io.StringIO(shown(capsys, report(), output_format=OutputFormat.CSV)))
    )
    assert [(row["decision"], row["payment"], row["amount"], row["currency"]) for row in rows] == [
        ("correct", "7", "1050", "eur"),
        ("flag", "8 9", "99900", "eur"),
    ]


def test_the_exit_code_of_several_sweeps() -> None:
    """The most severe exit code of any account wins; 1 needs --exit-code and a disagreement that was not corrected."""
    whole, cut, wrong, corrected, clean = (
        report(),
        report(),
        report(),
        report(writing=Writing.ROWS),
        report(),
    )
    cut.miss("pi_9", "why")
    wrong.stop(WrongKeyError("wrong"))
    corrected.discrepancies.clear()
    corrected.discrepancies[Kind.MISSED_OUTCOME] = corrected.corrected = 3
    clean.discrepancies.clear()
    unreachable = report()
    unreachable.stop(DatabaseUnavailableError("gone"))
    faulty = report()
    faulty.stop(ConfigurationError(("one",)))
    assert exit_code_of([whole], asked=False) is ExitCode.DONE
    assert exit_code_of([whole], asked=True) is ExitCode.NO
    assert exit_code_of([corrected], asked=True) is ExitCode.DONE
    assert exit_code_of([clean], asked=True) is ExitCode.DONE
    assert exit_code_of([clean, whole], asked=True) is ExitCode.NO
    assert exit_code_of([cut], asked=True) is ExitCode.TEMPORARY
    assert exit_code_of([whole, unreachable], asked=True) is ExitCode.TEMPORARY
    assert exit_code_of([unreachable, wrong, whole], asked=True) is ExitCode.CONFIGURATION
    assert exit_code_of([faulty], asked=False) is ExitCode.CONFIGURATION


def test_the_exit_code_of_a_sweep_that_the_table_refused() -> None:
    """0: every payment was examined, and the refusal is a finding like any other. With --exit-code it disagrees: 1."""
    refused = report(writing=Writing.ROWS)
    refused.refused = 1
    refused.discrepancies[Kind.MISSED_OUTCOME] = 1
    assert exit_code_of([refused], asked=False, wanted=Writing.ROWS) is ExitCode.DONE
    assert exit_code_of([refused], asked=True, wanted=Writing.ROWS) is ExitCode.NO
    refused.miss("pi_9", "why")
    assert exit_code_of([refused], asked=False, wanted=Writing.ROWS) is ExitCode.TEMPORARY
