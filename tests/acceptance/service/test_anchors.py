"""The service notes the ledger's head outside the database."""

from __future__ import annotations

import json

from tests.acceptance.service.conftest import ServiceInstallation


def test_the_service_notes_each_head(installation: ServiceInstallation) -> None:
    """Each sweep that added entries logs ledger.head and adds it to the file; a program that fails is told in status."""
    file = installation.folder / "anchors.jsonl"
    installation.configure(ledger={"anchor_file": str(file), "anchor_command": ["/bin/false"]})
    installation.add_payments(1)
    daemon = installation.start()
    logged = daemon.wait_for("ledger.head")
    assert logged["account"] == "default"
    assert "/bin/false" in daemon.wait_for("anchor.failed")["why"]
    daemon.wait_for("sweep.finished")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert (logged["seq"], logged["hash"]) in [(line["seq"], line["hash"]) for line in lines]
    _, out, _ = installation.run("status")
    assert "/bin/false" in out
    assert installation.count_by_status() == {"paid": 1}
    assert daemon.end() == 0
    assert installation.run("verify", "--anchor", str(file))[0] == 0
