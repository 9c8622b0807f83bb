"""requirements.lock: what an installation gets, to the byte."""

from __future__ import annotations

import re
from importlib.metadata import requires

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.acceptance.configured_shop import REPOSITORY

LOCK = (REPOSITORY / "requirements.lock").read_text(encoding="utf-8")
ENTRY = re.compile(
    r"^(?P<name>[a-z0-9-]+)==(?P<version>[^ ]+)(?P<marker> ; [^\\]+)? \\\n", re.MULTILINE
)
INSTALLED_EXTRAS = {"demo", "web"}
"""The extras that an installation may use; dev is not one of them."""


def locked() -> dict[str, str]:
    """The version of each package in the lock file, by its name."""
    return {found["name"]: found["version"] for found in ENTRY.finditer(LOCK)}


def pinned() -> dict[str, str]:
    """The version of each package in the constraints, by its name."""
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = (line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version.split(";")[0].strip() for name, version in pins}


def test_every_package_has_hashes_and_nothing_else() -> None:
    """The file has packages, markers and SHA-256 hashes alone: no option, and no address of any registry."""
    rest = ENTRY.sub("", LOCK)
    for line in rest.splitlines():
        assert re.fullmatch(r"    --hash=sha256:[0-9a-f]{64}( \\)?", line), line
    for entry in re.split(r"^(?=[a-z])", LOCK, flags=re.MULTILINE)[1:]:
        assert "--hash=" in entry, entry


def test_the_lock_has_the_versions_that_were_tested() -> None:
    """Each locked version is that of constraints.txt, with which the tests ran."""
    pins = pinned()
    differing = {
        name: version for name, version in locked().items() if pins.get(name, version) != version
    }
    assert differing == {}


def test_the_lock_has_everything_that_is_needed() -> None:
    """What the program needs, and what that needs in turn, is locked; so is each extra but the developers'."""
    have, seen = locked(), set[tuple[str, str]]()
    waiting = [("reconciler", extra) for extra in ("", *INSTALLED_EXTRAS)]
    while waiting:
        name, extra = waiting.pop()
        if (name, extra) in seen:
            continue
        seen.add((name, extra))
        for line in requires(name) or ():
            needed = Requirement(line)
            if needed.marker is not None and not needed.marker.evaluate({"extra": extra}):
                continue
            assert canonicalize_name(needed.name) in {*have, "reconciler"}, needed.name
            waiting += [(canonicalize_name(needed.name), each) for each in ("", *needed.extras)]
