"""The statement's page offers the whole statement and the bundle, of a month or of any days, with the command's bytes."""

from __future__ import annotations

import html
import io
import json
import re
import shlex
import threading
import zipfile
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import psycopg
import pytest
from starlette.testclient import TestClient

from reconciler.entrypoints.cli.app import run
from reconciler.entrypoints.web import files
from tests.acceptance.web.conftest import Site
from tests.acceptance.web.test_close import DAY, SWEEP

PERIOD = {"from": "2026-01-05", "to": "2026-01-06"}
FORMATS = ("html", "xlsx", "csv", "json", "zip")
FOUND = {
    "subject": "pi_1", "kind": "missed_outcome", "state": "open", "severity": "warning", "fingerprint": "a" * 64,
    "difference": {"eur": -1250}, "payment_created": "2026-01-05T10:00:00Z", "local": {"key": "1"}, "stripe": {"id": "pi_1"},
    "stake": {"amount": 1250, "currency": "eur"},
}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def examined(stored: str) -> None:
    """Two days with a finding. The stored list has nothing of them."""
    bodies = [FOUND, *({**DAY, "day": day} for day in PERIOD.values()), SWEEP]
    actions = ["finding_opened", "day_totals", "day_totals", "sweep"]
    texts = [json.dumps(body, sort_keys=True, separators=(",", ":")) for body in bodies]
    with psycopg.connect(stored, autocommit=True) as connection:
        # no discrepancy is of these days but the one of the ledger
        connection.execute("DELETE FROM reconciler.discrepancies")
        connection.execute("SELECT reconciler.append_entries('default', %s, %s)", (actions, texts))
        connection.execute(STORED_FINDING)


STORED_FINDING = """
INSERT INTO reconciler.discrepancies (
    account, subject, kind, payment_intent, keys, severity, state, stake_amount, currency, local, stripe, evidence,
    fingerprint, first_seen, last_seen, changed_at, opened_at, payment_created
)
VALUES ('default', 'pi_1', 'missed_outcome', 'pi_1', ARRAY['1'], 'warning', 'open', 1250, 'eur', '{"key": "1"}',
    '{"id": "pi_1"}', '{}', repeat('a', 64), now(), now(), now(), now(), '2026-01-05T10:00:00Z')
"""


@pytest.fixture(scope="module")
def offered(site: Site) -> dict[str, tuple[bytes, str]]:
    """Each file that the page of the days offers: its bytes, and its name."""
    ana = logged_in(site)
    page = ana.get(f"/statement?{urlencode({**PERIOD, 'cutoff': '2199-01-01'})}").text
    links = [html.unescape(one) for one in re.findall(r'href="(/statement/file[^"]*)" download', page)]  # fmt: skip
    found = {}
    for link in links:
        answer = ana.get(link)
        assert answer.status_code == 200, answer.text
        name = re.search(r'filename="([^"]+)"', answer.headers["content-disposition"])
        assert name is not None
        found[name[1].rpartition(".")[2]] = answer.content, name[1]
    return found


def logged_in(site: Site) -> TestClient:
    client = site()
    client.auth = ("ana", "correct horse battery")
    return client


def test_every_format_is_offered(offered: dict[str, tuple[bytes, str]]) -> None:
    """With the account and the days in its name, the days being no month; and no file stays behind on the disk."""
    assert tuple(offered) == FORMATS
    names = [name for _, name in offered.values()]
    assert names[0] == "statement-default-2026-01-05-to-2026-01-06.html"
    assert names[-1] == "bundle-default-2026-01-05-to-2026-01-06.zip"
    assert b"Paid in your table" in offered["html"][0]
    assert b"missed_outcome" in offered["csv"][0]
    assert "xl/workbook.xml" in zipfile.ZipFile(io.BytesIO(offered["xlsx"][0])).namelist()


def command_of(certificate: dict[str, Any], stored: str, *more: str) -> int:
    """Run the command of a certificate; its exit code."""
    return run(
        [*shlex.split(certificate["command"])[1:], *more],
        {"DATABASE_URL": stored, "PATH": "/usr/bin"},
    )


def test_it_has_the_bytes_of_the_command(
    offered: dict[str, tuple[bytes, str]], stored: str, tmp_path: Path
) -> None:
    """The command in the certificate makes the same file again: only who made it, when and with which configuration differs."""
    (page,) = json.loads(offered["json"][0])
    assert page["cutoff"] == page["as_of"] == page["certificate"]["run_at"]
    assert page["certificate"]["run_by"] == "web:ana"
    path = tmp_path / "again.json"
    assert command_of(page["certificate"], stored, "--output", str(path)) == 0
    (again,) = json.loads(path.read_bytes())
    for name in ("run_by", "run_at", "configuration"):
        again["certificate"][name] = page["certificate"][name]
    assert again == page

    in_csv = {**page["certificate"], "command": page["certificate"]["command"].replace("json", "csv")}  # fmt: skip
    path = tmp_path / "again.csv"
    assert command_of(in_csv, stored, "--output", str(path)) == 0
    assert path.read_bytes() == offered["csv"][0]


def test_the_bundle_is_verified_offline_and_made_again(
    offered: dict[str, tuple[bytes, str]], stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    """Of days that are no month, at the cut-off of the page. The command makes the same evidence."""
    content, name = offered["zip"]
    path = tmp_path / name
    path.write_bytes(content)
    assert run(["verify", "--file", str(path)], {}) == 0
    with zipfile.ZipFile(path) as file:
        certificate = json.loads(file.read("certificate.json"))
        first = {one: file.read(one) for one in ("discrepancies.csv", "ledger.jsonl")}
    # the page's cut-off is in the future, so that it is now
    assert certificate["cutoff"] == certificate["as_of"]
    assert b"missed_outcome" in first["discrepancies.csv"]
    monkeypatch.chdir(tmp_path)
    path.unlink()
    assert command_of(certificate, stored) == 0
    assert run(["verify", "--file", str(path)], {}) == 0
    with zipfile.ZipFile(path) as file:
        assert {one: file.read(one) for one in first} == first


@pytest.mark.parametrize("query", ["", "format=exe", "format=zip&account=none", "format=csv&from=x&to=y"])  # fmt: skip
def test_a_wrong_address_of_a_file(site: Site, query: str) -> None:
    """A page says what is wrong; without a login there is no file."""
    answer = logged_in(site).get(f"/statement/file?{query}")
    assert answer.status_code == (404 if "none" in query else 400)
    assert "<h1" in answer.text
    assert site().get("/statement/file?format=zip").status_code == 401


def test_not_too_many_files_at_once(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is told to come back: the pages themselves stay quick, and memory bounded."""
    monkeypatch.setattr(files, "WAIT_SECONDS", 0)
    monkeypatch.setattr(files, "BoundedSemaphore", lambda _: threading.BoundedSemaphore(1))
    ana = logged_in(site)
    inside: list[int] = []

    def write(_audit: object, _settings: object, _asked: object, path: Path) -> None:
        if not inside:
            inside.append(0)
            inside[0] = ana.get("/statement/file?format=csv").status_code
        path.write_text("x")

    monkeypatch.setattr("tests.acceptance.web.conftest.write_period_file", write)
    ana = logged_in(site)
    assert ana.get("/statement/file?format=csv").text == "x"
    assert inside == [503]
