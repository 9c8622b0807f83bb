"""The user of the operating system who started the program, as the kernel knows it.

The environment is not asked, because a person can set SUDO_USER and USER to any name.
"""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from typing import Final

LOGIN_UID: Final = Path("/proc/self/loginuid")
"""The user id of the login, which sudo and su do not change (pam_loginuid(8))."""
_UNSET: Final = 2**32 - 1
"""What the kernel says of a process without a login, such as a service or a container."""


def login_user(login_uid: Path = LOGIN_UID) -> str:
    """The name of the user who logged in; without a login the name of the real user id. Without a name, the number."""
    number = _login_number(login_uid)
    if number is None:
        number = os.getuid()
    try:
        return pwd.getpwuid(number).pw_name
    except (KeyError, OverflowError):
        # a container may run under a user id that has no name
        return str(number)


def _login_number(login_uid: Path) -> int | None:
    """The user id of the login; None if there was none, or if this kernel does not keep it."""
    try:
        text = login_uid.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    if not text.isdecimal() or int(text) >= _UNSET:
        return None
    return int(text)
