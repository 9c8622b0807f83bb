"""The statement of a period ties the table to Stripe's payments, and what is not explained stands first."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.cli.conftest import Town

NOON = datetime.now(UTC).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=3)
DAY = NOON.date().isoformat()
PERIOD = ("--from", DAY, "--to", DAY)


def pay(town: Town, key: int | None, status: str = "pending", amount: int = 1250) -> str:
    """A payment of three days ago that was paid at Stripe; without a row if there is no key."""
    intent = town.stripe.create_payment(amount, "eur", at=NOON)
    town.stripe.succeed(intent.id, at=NOON)
    if key is not None:
        town.shop.insert(
            key=key,
            payment_intent=intent.id,
            created=NOON.isoformat(),
            status=status,
            amount=amount,
        )
    return intent.id


def statement(town: Town, *options: str) -> dict[str, Any]:
    """The statement of the day, as JSON; without the time at which it was made."""
    answer = town.run("statement", *PERIOD, *options, "--json")
    assert answer.code == 0, answer.err
    (found,) = answer.json
    assert found["certificate"].pop("run_at")
    return dict(found)


@pytest.fixture
def shop(town: Town) -> Town:
    """Three payments: one agrees, one is behind Stripe, one has no row."""
    pay(town, 1, "paid", 1000)
    pay(town, 2)
    pay(town, None, amount=99)
    return town


def test_nothing_is_unexplained(shop: Town) -> None:
    """Findings explain the difference, and a correction ends what it corrected."""
    assert shop.run("sweep", "--kind", "window", "--record").code == 0
    (eur,) = statement(shop)["currencies"]
    assert (eur["local"], eur["local_count"]) == (1000, 1)
    assert (eur["stripe"], eur["stripe_count"]) == (2349, 3)
    assert (eur["difference"], eur["explained"], eur["unexplained"]) == (-1349, -1349, 0)
    assert {item["kind"]: item["amount"] for item in eur["items"]} == {
        "missed_outcome": -1250,
        "missing_locally": -99,
    }

    assert shop.run("sweep", "--kind", "window", "--apply").code == 0
    (eur,) = statement(shop)["currencies"]
    assert (eur["local"], eur["difference"], eur["unexplained"]) == (2250, -99, 0)
    assert [item["kind"] for item in eur["items"]] == ["missing_locally"]


def test_what_no_finding_explains_stands_first(shop: Town) -> None:
    """A row that says paid and that no sweep has judged as it is now."""
    assert shop.run("sweep", "--kind", "window", "--record").code == 0
    shop.shop.execute(
        "ALTER TABLE reconciler.ledger DISABLE TRIGGER ALL;"
        " UPDATE reconciler.ledger SET body = body - 'difference' WHERE body ->> 'kind' = 'missing_locally'"
    )
    (eur,) = statement(shop)["currencies"]
    assert eur["unexplained"] == -99
    assert "EUR: unexplained -0.99 EUR" in shop.run("statement", *PERIOD).out


def test_it_can_be_made_again_as_of_a_past_moment(shop: Town) -> None:
    """What came later changes nothing of what it was."""
    assert shop.run("sweep", "--kind", "window", "--record").code == 0
    ((then,),) = shop.ask("SELECT max(at) FROM reconciler.ledger")
    before = statement(shop, "--as-of", then.isoformat())
    assert shop.run("sweep", "--kind", "window", "--apply").code == 0
    assert statement(shop) != before
    assert statement(shop, "--as-of", then.isoformat()) == before
    ((seq, digest),) = shop.ask(
        f"SELECT seq, hash FROM reconciler.ledger WHERE at <= '{then.isoformat()}' ORDER BY seq DESC LIMIT 1"
    )
    assert before["head"] == {"seq": seq, "hash": digest}


def test_a_day_that_was_not_examined_is_named(shop: Town) -> None:
    """Its money is in no sum, and the exit code says that the statement is not complete."""
    answer = shop.run("statement", *PERIOD)
    assert (answer.code, answer.out) == (75, "")
    assert "No sweep has recorded anything yet" in answer.err
    assert shop.run("sweep", "--kind", "window", "--since", "1d", "--record").code == 0
    answer = shop.run("statement", *PERIOD)
    assert answer.code == 75
    assert f"Days not examined: {DAY}." in answer.out
    (found,) = shop.run("statement", *PERIOD, "--json").json
    assert (found["complete"], found["days_not_examined"], found["currencies"]) == (
        False,
        [DAY],
        [],
    )


def test_the_items_are_a_file_for_finance(shop: Town) -> None:
    """One line for each finding that explains a part of the difference, and for each item of the roll-forward, which the
    column list tells apart; what came after the cut-off has lines of its own."""
    assert shop.run("sweep", "--kind", "window", "--record").code == 0
    answer = shop.run("statement", *PERIOD, "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    assert [(row["list"], row["kind"], row["amount"]) for row in rows] == [
        ("explained", "missed_outcome", "-1250"), ("explained", "missing_locally", "-99"),
        ("closing", "missed_outcome", "-1250"), ("closing", "missing_locally", "-99"),
    ]  # fmt: skip
    assert [row["part"] for row in rows] == ["", "", "of_period", "of_period"]
    cutoff = datetime.now(UTC).isoformat()
    assert shop.run("sweep", "--kind", "window", "--apply").code == 0
    answer = shop.run("statement", *PERIOD, "--cutoff", cutoff, "--format", "csv")
    rows = [row for row in csv.DictReader(io.StringIO(answer.out)) if row["list"] == "after_cutoff"]
    assert [(row["kind"], row["state"], row["amount_decimal"]) for row in rows] == [
        ("missed_outcome", "corrected", "12.50"), ("local", "", "12.50"),
    ]  # fmt: skip


def test_the_day_is_that_of_the_books(shop: Town) -> None:
    """A day that was added up in another time zone is another day, so it counts as not examined."""
    assert shop.run("sweep", "--kind", "window", "--record").code == 0
    shop.configure('[statement]\ntimezone = "Pacific/Kiritimati"\n')
    assert shop.run("statement", *PERIOD).code == 75
    assert shop.run("sweep", "--kind", "window", "--record").code == 0
    # noon in UTC is the next day there
    after = (NOON + timedelta(days=1)).date().isoformat()
    (found,) = shop.run("statement", "--from", after, "--to", after, "--json").json
    assert found["timezone"] == "Pacific/Kiritimati"
    assert found["currencies"][0]["stripe_count"] == 3
    shop.configure('[statement]\ntimezone = "Mars/Olympus"\n')
    assert shop.run("statement", *PERIOD).code == 78


@pytest.mark.parametrize(
    "wrong",
    [
        (),
        ("2026-13",),
        ("October",),
        ("2026-10", "--from", "2026-10-01"),
        ("--from", "2026-10-02"),
        ("--from", "2026-10-02", "--to", "2026-10-01"),
        ("--from", "yesterday", "--to", "2026-10-01"),
        ("2026-10", "--cutoff", "5d"),
        ("2026-10", "--as-of", "soon"),
    ],
)
def test_a_period_that_is_none(shop: Town, wrong: tuple[str, ...]) -> None:
    """The message says what to write."""
    answer = shop.run("statement", *wrong)
    assert answer.code == 64
    assert "hint:" in answer.err


def test_the_files_carry_their_certificate(shop: Town, tmp_path: Path) -> None:
    """A page and a workbook are written whole, and say where both populations come from."""
    assert shop.run("sweep", "--kind", "window", "--record").code == 0
    page, book = tmp_path / "s.html", tmp_path / "s.xlsx"
    assert shop.run("statement", *PERIOD, "--format", "html", "--output", str(page)).code == 0
    text = page.read_text(encoding="utf-8")
    for said in (
        "Information produced by the entity (IPE)",
        "GET /v1/payment_intents?created[gte]=",
        "FROM",
    ):
        assert said in text
    assert shop.run("statement", *PERIOD, "--format", "xlsx", "--output", str(book)).code == 0
    assert zipfile.is_zipfile(book)
    answer = shop.run("statement", *PERIOD, "--format", "xlsx")
    assert (answer.code, "--output" in answer.err) == (64, True)
    rows = shop.run("statement", *PERIOD, "--format", "csv", "--excel").out
    assert rows.startswith("\ufeffaccount;currency;")
    assert ";-1250;-12,50;" in rows


def test_rows_that_are_in_no_sum_are_counted_with_their_money(shop: Town) -> None:
    """A paid row that holds no PaymentIntent, or the id of another system, would otherwise be missing from every page."""
    paid = {"created": NOON.isoformat(), "status": "paid"}
    shop.shop.insert(key=10, payment_intent=None, amount=5000, **paid)
    shop.shop.insert(key=11, payment_intent="PAYPAL-1", amount=700, **paid)
    shop.shop.insert(key=12, payment_intent=None, amount=30, **{**paid, "status": "pending"})
    shop.shop.insert(key=13, payment_intent="adyen_1", amount=70, currency="gbp", **paid)
    assert shop.run("sweep", "--kind", "window", "--record").code == 0
    text = " ".join(shop.run("statement", *PERIOD).out.split())
    for said in (
        "EUR, rows of your table before matching 2, control total 22.50 EUR",
        "EUR, not counted: rows without a PaymentIntent 2, control total 50.30 EUR; of these, rows that say paid: 1, control total 50.00 EUR",
        "EUR, not counted: rows with an id that leads to no PaymentIntent 1, control total 7.00 EUR; of these, rows that say paid: 1,",
        "GBP, not counted: rows with an id that leads to no PaymentIntent 1, control total 0.70 GBP",
    ):
        assert said in text
    assert [one["currency"] for one in statement(shop)["currencies"]] == ["eur"]


class Bundle:
    """The bundle of the month, and what ``verify --file`` says of a changed copy of it."""

    def __init__(self, town: Town, folder: Path) -> None:
        self._town = town
        self._folder = folder
        self.path = folder / "month.zip"
        month = ("--month", DAY[:7])
        assert town.run("export", "--bundle", str(self.path), *month).code in (0, 75)
        with zipfile.ZipFile(self.path) as file:
            self.members = {name: file.read(name) for name in file.namelist()}

    def said_of(self, changes: dict[str, bytes | None], *, fits: bool = False) -> str:
        """``fits`` is whether every hash was made to fit the changed files, as a person would who hides a change."""
        members = {
            name: data for name, data in {**self.members, **changes}.items() if data is not None
        }
        if fits:
            certificate = json.loads(members["certificate.json"])
            self._fit(certificate["outputs"], members)
            members["certificate.json"] = json.dumps(certificate).encode()
            manifest = json.loads(members["manifest.json"])
            self._fit(manifest["files"], members)
            members["manifest.json"] = json.dumps(manifest).encode()
        other = self._folder / "changed.zip"
        with zipfile.ZipFile(other, "w") as file:
            for name, content in members.items():
                file.writestr(name, content)
        answer = self._town.run("verify", "--file", str(other))
        assert answer.code == 1, answer.out
        return answer.out

    @staticmethod
    def _fit(named: list[dict[str, str]], members: dict[str, bytes]) -> None:
        for one in named:
            one["sha256"] = hashlib.sha256(members[one["name"]]).hexdigest()

    def replaced(self, name: str, old: bytes, new: bytes) -> dict[str, bytes | None]:
        """The change of a file."""
        assert old in self.members[name], self.members[name]
        return {name: self.members[name].replace(old, new)}


def test_a_bundle_is_checked_without_a_database(shop: Town, tmp_path: Path) -> None:
    """It says exactly what it proves, and every change of a file or of an entry is found."""
    assert shop.run("sweep", "--kind", "window", "--record").code == 0
    assert shop.run("export", "--bundle", str(tmp_path / "none.zip")).code == 64
    bundle = Bundle(shop, tmp_path)
    whole = shop.run("verify", "--file", str(bundle.path))
    assert whole.code == 0, whole.out
    for said in (
        "follows the entry before",
        "agree with this ledger",
        "Compare this hash with an anchor",
        "owners",
    ):
        assert said in whole.out
    assert set(bundle.members) == {
        "manifest.json", "statement.json", "statement.html", "discrepancies.csv", "ledger.jsonl", "certificate.json",
    }  # fmt: skip
    assert b"missing_locally" in bundle.members["discrepancies.csv"]
    certificate = json.loads(bundle.members["certificate.json"])
    outputs = {one["name"] for one in certificate["outputs"]}
    assert outputs == set(bundle.members) - {"manifest.json", "certificate.json"}
    assert certificate["steps"] == []
    assert b"no person has prepared or signed this period" in bundle.members["statement.html"]

    assert "discrepancies.csv: the file's SHA-256" in bundle.said_of({"discrepancies.csv": b"id\n"})
    assert "not named in its manifest: statement.html" in bundle.said_of({"statement.html": None})
    # with a manifest that was made to fit, the chain of the entries still shows it
    lines = bundle.replaced("ledger.jsonl", b'"amount": 99', b'"amount": 98')
    assert "does not match its hash" in bundle.said_of(lines, fits=True)
    bundle.path.write_bytes(b"no zip")
    assert shop.run("verify", "--file", str(bundle.path)).code == 1
    assert shop.run("verify", "--file", str(tmp_path / "none.zip")).code == 64


def test_files_of_a_bundle_follow_from_its_ledger(shop: Town, tmp_path: Path) -> None:
    """Each file is made again from the entries, so that hashes that were made to fit hide no change."""
    assert shop.run("sweep", "--kind", "window", "--record").code == 0
    ((intent,),) = shop.ask(
        "SELECT payment_intent FROM reconciler.discrepancies WHERE kind = 'missed_outcome'"
    )
    assert shop.run("assign", "1", "os:ana").code == 0
    assert shop.run("resolve", "1", "--note", "seen").code == 0
    bundle = Bundle(shop, tmp_path)
    assert shop.run("verify", "--file", str(bundle.path)).code == 0
    for name, old, new, said in (
        ("statement.json", b'"unexplained": 0', b'"unexplained": 5', "currencies[0].unexplained is 5, but the ledger in the bundle says 0"),
        ("statement.json", b'"days_not_examined": [', b'"days_not_examined": [], "more": [', "statement.json: days_not_examined"),
        ("certificate.json", b'"left_out": {}', b'"left_out": {"where": 1}', "certificate.json: populations[0].left_out"),
        ("statement.html", b"-12.50 EUR", b"-12.51 EUR", "statement.html: the page differs"),
        ("discrepancies.csv", b",missed_outcome,", b",refund_not_recorded,", "has no discrepancy refund_not_recorded about pi_"),
        ("discrepancies.csv", b",resolved,", b",corrected,", "state of the discrepancy missed_outcome about"),
        ("discrepancies.csv", b",12.50,", b",12.51,", "amount_decimal of the discrepancy missed_outcome about"),
        ("discrepancies.csv", b",succeeded,", b",canceled,", "stripe_status of the"),
    ):  # fmt: skip
        assert said in bundle.said_of(bundle.replaced(name, old, new), fits=True)
    lines = bundle.members["discrepancies.csv"].decode().splitlines(keepends=True)
    fewer = "".join(line for line in lines if intent not in line).encode()
    assert f"missed_outcome about {intent} is missing" in bundle.said_of(
        {"discrepancies.csv": fewer}, fits=True
    )


def test_what_was_put_right_stays_in_its_list(shop: Town) -> None:
    """A corrected discrepancy is not settled by a person afterwards: it would leave the list of what was corrected."""
    assert shop.run("sweep", "--kind", "window", "--apply").code == 0
    ((number,),) = shop.ask("SELECT id FROM reconciler.discrepancies WHERE state = 'corrected'")
    answer = shop.run("resolve", str(number), "--note", "seen")
    assert (answer.code, "nothing is left to resolve" in answer.err) == (1, True), answer.err
    assert str(number) in shop.run("discrepancies", "--state", "corrected", "--columns", "id").out
