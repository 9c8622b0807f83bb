"""An engineer and a person of finance go their whole way at the terminal, with the commands that the pages show.

Each command is a line of a page in docs/. A test types it with its own numbers, names and dates in the place of the page's.
"""

from __future__ import annotations

import csv
import re
import shlex
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reconciler.engine.page import brake
from reconciler.entrypoints.cli import close as close_command
from tests.acceptance.cli.conftest import Town
from tests.acceptance.configured_shop import REPOSITORY
from tests.acceptance.installation import Answer

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=3)
DAY = NOON.date().isoformat()
NEXT_DAY = (NOON.date() + timedelta(days=1)).isoformat()
PEOPLE = '\n[review.people]\nana = ["os:ana"]\nben = ["os:ben"]\n'


class Person:
    """Reads a page, and types what it shows."""

    def __init__(self, town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
        self._town = town
        self._monkeypatch = monkeypatch
        self._page = ""

    def reads(self, page: str) -> None:
        """Open a page of docs/."""
        self._page = (REPOSITORY / "docs" / page).read_text(encoding="utf-8")

    def types(self, line: str, code: int = 0, **own: object) -> Answer:
        """Type a line of the page; ``own`` has the person's own words by names that the line has after a change.

        ``> FILE`` writes the result to a file in the person's folder. Raises AssertionError for another exit code.
        """
        assert f"\n{line}\n" in re.sub(r" +#.*$", "", self._page, flags=re.MULTILINE), line
        words = shlex.split(line)
        assert words[0] == "reconciler"
        target = None
        if ">" in words:
            words, target = words[: words.index(">")], words[-1]
        return self.runs(*[own_word for word in words[1:] for own_word in _own(word, own)], code=code, target=target)  # fmt: skip

    def runs(self, *words: str, code: int = 0, target: str | None = None) -> Answer:
        """Type a command that Reconciler itself has named."""
        with _folder(self._town.folder, self._monkeypatch):
            answer = self._town.run(*words)
            if target is not None:
                Path(target).write_text(answer.out, encoding="utf-8")
        assert answer.code == code, (words, answer)
        return answer

    def follows(self, answer: Answer, code: int = 0) -> Answer:
        """Type the last command that an answer names."""
        named = re.findall(r"(reconciler [a-z].*)$", answer.out + answer.err, re.MULTILINE)
        return self.runs(*shlex.split(named[-1])[1:], code=code)


def _own(word: str, own: dict[str, object]) -> list[str]:
    """What the person types for a word of the page."""
    for shown, value in own.items():
        if word == shown.removeprefix("_"):
            return [str(one) for one in value] if isinstance(value, tuple) else [str(value)]
    return [word]


@contextmanager
def _folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patched:
        patched.chdir(folder)
        yield


@pytest.fixture
def person(town: Town, monkeypatch: pytest.MonkeyPatch) -> Person:
    """A person at a terminal in the shop's folder."""
    return Person(town, monkeypatch)


def test_the_way_of_an_engineer(
    town: Town, person: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the first dry run to trust: check, look, read the preview, apply a part of it, meet the brake, take it back."""
    intents = [town.pay(key) for key in range(1, 8)]
    pending = town.statuses()
    person.reads("how-to/set-up-a-table.md")
    assert "faults: 0" in person.types("reconciler doctor").out

    # nothing is written by looking
    dry = person.types("reconciler sweep").out
    assert "a dry run, nothing was written" in dry
    assert "To correct the rows: reconciler sweep --apply\n" in dry
    assert "Decision: correct" in person.types("reconciler explain pi_3Q...", **{"pi_3Q...": intents[0]}).out  # fmt: skip
    assert town.statuses() == pending

    # three lines of the preview are wanted, and the row of one has changed since
    person.types("reconciler sweep --format csv > preview.csv")
    preview = town.folder / "preview.csv"
    with preview.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["payment"] for row in rows} == set(pending)
    wanted = [row for row in rows if row["payment"] in {"1", "2", "3"}]
    with preview.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(wanted)
    town.shop.execute("UPDATE public.payments SET amount = 999 WHERE id = 3")
    part = person.types("reconciler sweep --apply --only preview.csv", code=75)
    assert town.statuses() == {**pending, "1": "paid", "2": "paid"}
    assert "To undo these corrections: reconciler revert 1\n" in part.out

    # the rest at once meets the brake, and the hint's own command goes on
    monkeypatch.setattr(brake, "MOST_CORRECTIONS", 1)
    stopped = person.types("reconciler sweep --apply", code=75)
    assert "--yes" in stopped.err
    written = town.statuses()
    assert list(written.values()).count("paid") < 6
    person.follows(stopped)
    assert town.statuses() == {**dict.fromkeys(pending, "paid"), "3": "pending"}

    # both sweeps that wrote are listed, and what they wrote is taken back by their numbers
    listed = town.run("sweeps", "--json").json
    for one in listed:
        if one["revertible"]:
            person.types("reconciler revert 17", _17=one["id"])
    assert town.statuses() == pending
    assert person.runs("verify").out.startswith("Account default: ")


def test_the_way_of_finance(town: Town, person: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A period is closed at the terminal: find, assign, note, resolve, state, close by two people, export and prove."""
    town.configure(PEOPLE)
    for key, status in ((1, "paid"), (2, "pending"), (None, "")):
        intent = town.stripe.create_payment(1250, "eur", at=NOON)
        town.stripe.succeed(intent.id, at=NOON)
        if key is not None:
            town.shop.insert(
                key=key, payment_intent=intent.id, created=NOON.isoformat(), status=status
            )
    period = {"_2026-10": ("--from", DAY, "--to", DAY)}

    # a day that no sweep examined is named, and the page has the command
    person.reads("how-to/statement-of-a-month.md")
    town.run("sweep", "--kind", "due", "--record")
    assert DAY in person.types("reconciler statement 2026-10", code=75, **period).out
    person.types(
        "reconciler sweep --kind window --since 2026-10-01 --until 2026-11-01 --record",
        **{"2026-10-01": DAY, "2026-11-01": NEXT_DAY},
    )

    # what disagreed, what no person has seen, and whose it is
    person.reads("how-to/audit-mismatches.md")
    person.types("reconciler discrepancies --state open --format csv > open.csv")
    with (town.folder / "open.csv").open(newline="") as file:
        found = {row["kind"]: row["id"] for row in csv.DictReader(file)}
    assert set(found) == {"missed_outcome", "missing_locally"}
    missing = found["missing_locally"]
    person.types("reconciler assign 42 43 ana@example.com", _42=missing, _43=())
    (town.folder / "letter.pdf").write_bytes(b"a letter")
    person.types(
        'reconciler note 42 "The customer paid twice, see the letter."  --attach letter.pdf',
        _42=missing,
    )
    assert "see the letter" in person.types("reconciler note 42", _42=missing).out
    person.types(
        'reconciler resolve 42 43 --note "refunded by hand, ticket 812"', _42=missing, _43=()
    )

    # the statement explains everything
    person.reads("how-to/statement-of-a-month.md")
    said = person.types("reconciler statement 2026-10", **period).out
    assert "EUR: unexplained 0.00 EUR" in said
    person.types(
        "reconciler statement --from 2026-10-01 --to 2026-10-15 --format csv > items.csv",
        **{"2026-10-01": DAY, "2026-10-15": DAY},
    )
    assert "missing_locally" in (town.folder / "items.csv").read_text()
    person.types("reconciler statement 2026-10 --format html --output october.html", **period)

    # ana prepares, and may not sign her own work; ben may
    person.reads("how-to/close-a-month.md")
    monkeypatch.setattr(close_command, "login_user", lambda: "ana")
    person.types('reconciler close 2026-10 --prepare --note "two disputes are open"', **period)
    assert "same_person" in person.types("reconciler close 2026-10 --sign", code=1, **period).err
    monkeypatch.setattr(close_command, "login_user", lambda: "ben")
    assert "prepared" in person.types("reconciler close 2026-10", **period).out
    assert "signed" in person.types("reconciler close 2026-10 --sign", **period).out

    # the record is exported, and proved against the export and without the database
    person.reads("how-to/audit-mismatches.md")
    person.types("reconciler export --output reconciler.jsonl")
    person.types("reconciler export --format csv --output reconciler-export")
    assert (town.folder / "reconciler-export" / "discrepancies.csv").exists()
    assert "the chain is intact" in person.types("reconciler verify").out
    person.types(
        "reconciler verify --anchor /srv/audit/reconciler.jsonl",
        **{"/srv/audit/reconciler.jsonl": "reconciler.jsonl"},
    )
    # only one day of the month was examined, so its bundle is not complete
    person.types(
        "reconciler export --bundle october.zip --month 2026-10",
        code=75,
        **{"2026-10": DAY[:7]},
    )
    assert "matches its hash" in person.types("reconciler verify --file october.zip").out
