"""The file with the people who may see the pages: a line for each, with name, role and the hash of a password."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from reconciler.entrypoints.web.identity import LONGEST_NAME, Role, User
from reconciler.entrypoints.web.passwords import is_hash
from reconciler.errors import ConfigurationError, ConfigurationFault

_HINT: Final = 'Write "NAME:viewer:HASH" or "NAME:reviewer:HASH"; make a line with: reconciler web --new-user NAME'


def read_users(path: Path) -> tuple[User, ...]:
    """The people of the file. Raises ConfigurationError with every fault; the message never shows a hash."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "the file is not text"
        fault = ConfigurationFault(
            f"web.users_file: {path} cannot be read ({why}).", "Correct its path or permissions."
        )
        raise ConfigurationError((fault,)) from None

    users: dict[str, User] = {}
    faults = []
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        user = _user(line.strip())
        if user is None:
            faults.append(ConfigurationFault(f"web.users_file: line {number} is wrong.", _HINT))
        elif user.name in users:
            what = f"web.users_file: line {number} names the same person as an earlier line."
            faults.append(ConfigurationFault(what, "Keep one of the two lines."))
        else:
            users[user.name] = user
    if faults:
        raise ConfigurationError(tuple(faults))
    return tuple(users.values())


def _user(line: str) -> User | None:
    parts: Sequence[str] = line.split(":", 2)
    if len(parts) < 2:
        return None
    name, role, hash_ = parts[0], parts[1], parts[2] if len(parts) > 2 else ""
    if not name or len(name) > LONGEST_NAME or not name.isprintable() or role not in set(Role):
        return None
    if hash_ and not is_hash(hash_):
        return None
    return User(name, Role(role), hash_ or None)
