"""What an auditor gets with an export: what is in it, what was not looked at, and that the file is the one that was made."""

from __future__ import annotations

import hashlib
import json
import re
import zipfile
from datetime import timedelta
from pathlib import Path

import psycopg

from reconciler.clock import SystemClock
from tests.acceptance.cli.conftest import Town


def sheets_of(path: Path) -> dict[str, list[list[str]]]:
    """The cells of each sheet of a workbook, as text."""
    with zipfile.ZipFile(path) as file:
        texts = (
            re.findall(
                r"<si><t[^>]*>(.*?)</t></si>", file.read("xl/sharedStrings.xml").decode(), re.DOTALL
            )
            if "xl/sharedStrings.xml" in file.namelist()
            else []
        )
        names = re.findall(r'<sheet name="([^"]+)"', file.read("xl/workbook.xml").decode())
        found = {}
        for number, name in enumerate(names, start=1):
            text = file.read(f"xl/worksheets/sheet{number}.xml").decode()
            rows = re.findall(r"<row [^>]*>(.*?)</row>", text, re.DOTALL)
            found[name] = [
                [
                    texts[int(shared)] if shared else inline or plain
                    for shared, inline, plain in re.findall(
                        r'<c [^>]*?(?:t="s"[^>]*><v>(\d+)</v>|t="inlineStr"><is><t[^>]*>(.*?)</t></is>|><v>([^<]*)</v>)',
                        row,
                    )
                ]
                for row in rows
            ]
        return found


def test_every_plain_export_has_its_certificate(town: Town) -> None:
    """jsonl, csv and xlsx: the certificate counts what is in the files, names the days that no sweep examined, the
    ledger's head, the SHA-256 of each file and the command. The workbook has the sheets that finance asks for."""
    now = SystemClock().now()
    town.pay(1)
    town.pay(2, "canceled")
    assert town.run("sweep", "--kind", "window", "--since", "1d", "--apply").code == 0
    for first, last in ((30, 28), (20, 15)):
        since, until = (f"{now - timedelta(days=days):%Y-%m-%d}" for days in (first, last))
        town.run("sweep", "--kind", "window", "--since", since, "--until", until, "--record")
    folder = town.folder
    for options, path in (
        (("--format", "jsonl"), folder / "all.jsonl"),
        (("--format", "csv"), folder / "all"),
        (("--format", "xlsx"), folder / "all.xlsx"),
    ):
        answer = town.run("export", *options, "--output", str(path))
        assert answer.code == 0, answer.err
        beside = Path(f"{path}.certificate.json")
        certificate = json.loads(beside.read_text())
        (account,) = certificate["accounts"]
        assert account["discrepancies"] == [{"currency": "eur", "count": 2, "amount": 2500}]
        head = town.ask("SELECT seq, hash FROM reconciler.ledger_heads")[0]
        # a person sees where it wrote, and how much
        said = {
            "jsonl": f"{path}: 2 discrepancies and {head[0]} entries of the ledger\n",
            "csv": f"{path / 'discrepancies.csv'}: 2 lines\n",
            "xlsx": f"{path}: 2 discrepancies\n",
        }
        assert said[options[1]] in answer.err
        assert f"{beside}: the certificate\n" in answer.err
        assert (account["entries"], account["head"]) == (head[0], {"seq": head[0], "hash": head[1]})
        assert certificate["command"].startswith(f"reconciler export --format {options[1]}")
        for output in certificate["outputs"]:
            file = path / output["name"] if path.is_dir() else path
            assert output["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        gap = {f"{now - timedelta(days=days):%Y-%m-%d}" for days in (25, 22)}
        assert gap <= set(account["days_not_examined"])
    sheets = sheets_of(folder / "all.xlsx")
    assert list(sheets) == ["summary", "roll-forward", "discrepancies", "corrections", "days", "certificate"]  # fmt: skip
    assert len(sheets["discrepancies"]) == 3
    assert {"missed_outcome", "paid_after_cancel"} <= {cell for row in sheets["discrepancies"] for cell in row}  # fmt: skip
    assert len(sheets["corrections"]) == 2
    assert any("not examined" in row for row in sheets["days"])
    assert any("Command that makes this again" in row for row in sheets["certificate"])


def test_an_export_of_nothing_is_whole_too(town: Town) -> None:
    """No sweep, no day examined: every format is written, and its certificate says so."""
    assert town.run("migrate").code == 0
    for name in ("jsonl", "xlsx"):
        path = town.folder / f"none.{name}"
        assert town.run("export", "--format", name, "--output", str(path)).code == 0
        assert json.loads(Path(f"{path}.certificate.json").read_text())["accounts"] == []
    with psycopg.connect(town.shop.url) as connection:
        assert connection.execute("SELECT count(*) FROM reconciler.ledger").fetchone() == (0,)
