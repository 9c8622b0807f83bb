"""``systemd show`` and ``systemd install``: the units that come with the program, for this installation of it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import typer

from reconciler.entrypoints.cli.files import shipped_name
from reconciler.entrypoints.cli.output import warn_of_error, write_line, write_pairs
from reconciler.entrypoints.invocation import PROGRAM
from reconciler.errors import ConfigurationError, ConfigurationFault
from reconciler.exit_codes import ExitCode
from reconciler.shipped_files import shipped_names, shipped_text

EXAMPLE_PREFIX: Final = "/opt/reconciler/venv"
"""Where the units as they are shipped expect the virtual environment."""
SYSTEM_PYTHONS: Final = Path("/usr/bin")
_MARK: Final = "# Installed by reconciler "
_HIDDEN_FOLDERS: Final = ("/home", "/root", "/run/user", "/tmp", "/var/tmp")  # noqa: S108, nothing is written there
"""What ProtectHome= and PrivateTmp= of the units hide from the service."""
_DROP_IN: Final = "reconciler.service.d-254.conf"
_TMPFILES: Final = "reconciler.tmpfiles.conf"
_DROP_IN_SINCE: Final = 254

systemd = typer.Typer(
    help="Show the systemd units, or install them for this installation of the program.",
    no_args_is_help=True,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


@dataclass(frozen=True, slots=True)
class Installed:
    """One file of the installation and what was done: written, replaced, unchanged or kept."""

    path: Path
    done: str


@systemd.command()
def show(
    unit: Annotated[
        str | None,
        typer.Argument(metavar="[UNIT]", help="The unit, such as reconciler.service."),
    ] = None,
) -> int:
    """Print a unit as `systemd install` would write it. Without one, list the units."""
    if unit is None:
        for name in shipped_names():
            if name.startswith("systemd/"):
                write_line(name.removeprefix("systemd/"))
        write_line()
        write_line(f"Print one of them: {PROGRAM} systemd show UNIT")
        return ExitCode.DONE
    sys.stdout.write(unit_text(shipped_name(unit, "systemd/")))
    return ExitCode.DONE


@systemd.command()
def install(
    root: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write below this folder instead of /, for example to build a package or an image.",
        ),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Also replace units that this command did not write.")
    ] = False,
) -> int:
    """Install the units, the folder of the credentials and an example configuration.

    An existing configuration is kept, and so is a unit that this command did not write, unless you say --force. It
    starts nothing. Exits with 78 if systemd does not run here, or the service could not reach the program. With --root
    that is a warning at the end.
    """
    unseen = _unseen_path()
    if root is None and not Path("/run/systemd/system").is_dir():
        raise _fault(
            "systemd does not run on this machine.",
            "Use --root DIR to write the files for another machine. docs/how-to/run-in-a-container.md shows how the"
            " service runs without systemd.",
        )
    if root is None and unseen is not None:
        raise unseen
    target = root or Path("/")
    try:
        done = _install(target, force=force)
    except OSError as error:
        raise _fault(
            f"{error.filename}: cannot be written ({error.strerror}).",
            "Run the command as root, or with --root DIR.",
        ) from None
    write_pairs([(each.done, str(each.path)) for each in done], indent=0)
    write_line()
    for line in _next_steps(
        kept=any(each.done == "kept" and each.path.suffix != ".toml" for each in done),
        elsewhere=root is not None,
    ):
        write_line(line)
    if unseen is not None:
        # last, so that it is not overlooked above the steps
        sys.stdout.flush()
        warn_of_error(unseen)
    return ExitCode.DONE


def unit_text(name: str) -> str:
    """The text of a shipped unit, with the paths of this installation in place of those of the example."""
    text = shipped_text(name).replace(EXAMPLE_PREFIX, sys.prefix)
    interpreter = Path(sys.executable).resolve()
    if interpreter.parent != SYSTEM_PYTHONS:
        # the units allow the system's interpreters; another one, and its libraries, must be named
        allowed = f"ExecPaths={interpreter} -{Path(sys.base_prefix).resolve() / 'lib'} "
        text = text.replace("ExecPaths=", allowed)
    return f"{_MARK}{version(PROGRAM)}. Change it with a drop-in (systemctl edit): an update keeps drop-ins.\n{text}"


def _unseen_path() -> ConfigurationError | None:
    """A fault if the units, as they are written, hide the program from the service."""
    # the interpreter is followed, because the virtual environment only links to it
    for path in (Path(sys.prefix), Path(sys.executable).resolve()):
        if any(path.is_relative_to(folder) for folder in _HIDDEN_FOLDERS):
            return _fault(
                f"The program runs from {path}, which the service cannot see.",
                f"Install it with the system's Python below /opt: /usr/bin/python3 -m venv {EXAMPLE_PREFIX}",
            )
    return None


def _fault(what: str, hint: str) -> ConfigurationError:
    return ConfigurationError((ConfigurationFault(what, hint),))


def _install(root: Path, *, force: bool) -> list[Installed]:
    folder = root / "etc/reconciler"
    (folder / "credentials").mkdir(parents=True, exist_ok=True)
    (folder / "credentials").chmod(0o700)
    done = [
        _write(root / path, unit_text(name), force=force) for name, path in _places(root).items()
    ]
    configuration = folder / "reconciler.toml"
    if configuration.exists():
        return [*done, Installed(configuration, "kept")]
    return [*done, _write(configuration, shipped_text("config/reconciler.toml"), force=False)]


def _places(root: Path) -> dict[str, str]:
    """Where each shipped file of systemd goes, relative to the root."""
    places = {}
    for name in shipped_names():
        base = name.removeprefix("systemd/")
        if base == name:
            continue
        if base == _TMPFILES:
            places[name] = "etc/tmpfiles.d/reconciler.conf"
        elif base != _DROP_IN:
            places[name] = f"etc/systemd/system/{base}"
        elif _systemd_version() >= _DROP_IN_SINCE and root == Path("/"):
            places[name] = "etc/systemd/system/reconciler.service.d/254.conf"
    return places


def _systemd_version() -> int:
    """The version of systemd on this machine; 0 if it has none, or says none."""
    program = shutil.which("systemctl")
    if program is None:
        return 0
    answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)  # noqa: S603, fixed words
    words = answer.stdout.split()
    return int(words[1]) if len(words) > 1 and words[1].isdecimal() else 0


def _write(path: Path, text: str, *, force: bool) -> Installed:
    before = path.read_text(encoding="utf-8") if path.exists() else None
    if before == text:
        return Installed(path, "unchanged")
    if before is not None and not before.startswith(_MARK) and not force:
        return Installed(path, "kept")
    path.parent.mkdir(parents=True, exist_ok=True)
    # an interrupted write must not leave half a unit
    part = path.with_name(f"{path.name}.part")
    part.write_text(text, encoding="utf-8")
    part.chmod(0o644)
    part.replace(path)
    return Installed(path, "written" if before is None else "replaced")


def _next_steps(*, kept: bool, elsewhere: bool) -> list[str]:
    steps = [
        "Next, on the machine that these files are for:" if elsewhere else "Next:",
        "  1. Fill in /etc/reconciler/reconciler.toml.",
        "  2. Put the key and the database's URL into /etc/reconciler/credentials/stripe_key and .../database_url.",
        "  3. systemctl daemon-reload && systemctl enable --now reconciler",
        "  4. reconciler status",
    ]
    if kept:
        steps.insert(
            0,
            "This command kept a unit that it did not write. To replace it, run: reconciler systemd install --force",
        )
    return steps
