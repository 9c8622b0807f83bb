"""An auditor draws a sample of the ledger by a seed, and can draw it again by hand."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import shlex
from datetime import UTC, datetime, timedelta

import pytest

from tests.acceptance.cli.conftest import Town
from tests.acceptance.cli.test_statement import pay

RANGE = ("--from", "2020-01-01", "--to", "2100-01-01")


@pytest.fixture
def books(town: Town) -> Town:
    """Four rows that were corrected, and a payment without a row."""
    for key in range(1, 5):
        pay(town, key)
    pay(town, None, amount=99)
    assert town.run("sweep", "--kind", "window", "--apply").code == 0
    return town


def test_the_draw_can_be_made_by_hand(books: Town) -> None:
    """The lowest SHA-256 of seed, colon and hash; the same seed draws the same, also after the findings changed."""
    line = ("export", "--sample", "3", "--seed", "7", *RANGE)
    first = books.run(*line).json
    entries = books.ask(
        "SELECT seq, hash FROM reconciler.ledger WHERE action IN ('correction', 'finding_opened')"
    )
    draws = sorted(
        (hashlib.sha256(f"7:{digest}".encode()).hexdigest(), seq) for seq, digest in entries
    )
    assert [(one["draw"], one["entry"]["seq"]) for one in first["items"]] == draws[:3]
    assert sum(first["population"].values()) == len(entries)

    (number, *_) = (
        one for (one,) in books.ask("SELECT id FROM reconciler.discrepancies WHERE state = 'open'")
    )
    assert books.run("resolve", str(number), "--note", "x").code == 0
    again = books.run(*line).json
    assert [one["entry"] for one in again["items"]] == [one["entry"] for one in first["items"]]
    other = books.run("export", "--sample", "3", "--seed", "8", *RANGE).json
    assert other["items"] != first["items"]


def test_each_item_has_its_evidence(books: Town) -> None:
    """A correction has what was written, its finding and its message; a discrepancy has its finding alone. CSV has the same."""
    line = ("export", "--sample", "100", "--seed", "1", *RANGE)
    found = books.run(*line).json
    stored = dict(books.ask("SELECT seq, hash FROM reconciler.ledger"))
    assert found["population"]["corrections"] == 4
    for one in found["items"]:
        assert stored[one["entry"]["seq"]] == one["entry"]["hash"]
        assert one["finding"]["payment_intent"] == one["payment_intent"]
        if one["type"] == "correction":
            statuses = (one["before"]["status"], one["after"]["status"])
            assert (*statuses, one["outbox"]["state"]) == ("pending", "paid", "waiting")
            assert one["finding"]["kind"] == "missed_outcome"
        else:
            assert (one["before"], one["after"], one["outbox"]) == (None, None, None)
    answer = books.run("--quiet", *line, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    assert [row["draw"] for row in rows] == [one["draw"] for one in found["items"]]
    assert {row["outbox_state"] for row in rows if row["type"] == "correction"} == {"waiting"}
    # a table has no place for the certificate
    certificate = json.loads(answer.err)
    assert certificate["command"].endswith("--format csv")
    assert {**certificate, "command": "", "run_at": ""} == {
        **found["certificate"], "command": "", "run_at": "",
    }  # fmt: skip


@pytest.mark.parametrize("file_format", ["json", "csv"])
def test_a_sample_has_its_certificate(books: Town, file_format: str) -> None:
    """Beside the file, with its SHA-256, the population, the days that were not examined, and the command that draws the same."""
    path = books.folder / f"sample.{file_format}"
    today = datetime.now(UTC).date()
    line = (
        "export",
        "--sample",
        "3",
        "--seed",
        "7",
        "--from",
        f"{today - timedelta(days=1)}",
        "--to",
        f"{today + timedelta(days=1)}",
    )
    answer = books.run(*line, "--format", file_format, "--output", str(path))
    assert (answer.code, "the certificate" in answer.err) == (0, True)
    written = path.read_bytes()
    found = json.loads((books.folder / f"{path.name}.certificate.json").read_text())
    assert found["outputs"] == [{"name": path.name, "sha256": hashlib.sha256(written).hexdigest()}]
    assert (found["wanted"], found["drawn"], found["population"]["corrections"]) == (3, 3, 4)
    assert found["days_not_examined"] == [f"{today}", f"{today + timedelta(days=1)}"]
    if file_format == "json":
        inside = json.loads(written)["certificate"]
        assert {**inside, "outputs": found["outputs"]} == found
    again = books.run(*shlex.split(found["command"])[1:-1], str(books.folder / "again"))
    assert (
        again.code,
        json.loads((books.folder / "again.certificate.json").read_text())["head"],
    ) == (0, found["head"])


def test_only_what_was_recorded_in_the_range(books: Town) -> None:
    """A range of the past has nothing, today has all; a month is a range."""
    line = ("export", "--sample", "5", "--seed", "1")
    past = books.run(*line, "--month", "2020-01").json
    assert (past["items"], past["population"]) == ([], {"corrections": 0, "discrepancies": 0})
    assert past["period"] == {"first": "2020-01-01", "last": "2020-01-31"}
    today = books.run(*line, "--month", f"{datetime.now(UTC):%Y-%m}").json
    assert len(today["items"]) == 5


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (("--sample", "5", *RANGE), "needs a seed"),
        (("--sample", "5", "--seed", "1"), "one period"),
        (("--seed", "1"), "only with --sample"),
        (("--format", "json"), "for --sample"),
        (("--sample", "5", "--seed", "1", *RANGE, "--format", "jsonl"), "one object"),
        (("--sample", "5", "--seed", "1", *RANGE, "--bundle", "x.zip"), "two exports"),
    ],
)
def test_options_that_do_not_go_together(town: Town, wrong: tuple[str, ...], says: str) -> None:
    """Each is a usage error that says what is missing."""
    answer = town.run("export", *wrong)
    assert (answer.code, answer.out) == (64, "")
    assert says in answer.err
