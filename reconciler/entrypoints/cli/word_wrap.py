"""Breaks a long line between words, and a command so that it can still be copied and run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from reconciler.entrypoints.invocation import PROGRAM

COMMANDS: Final = (
    "assign",
    "close",
    "completion",
    "config",
    "demo",
    "discrepancies",
    "doctor",
    "explain",
    "export",
    "files",
    "help",
    "init",
    "migrate",
    "note",
    "pause",
    "plan",
    "reopen",
    "resolve",
    "resume",
    "revert",
    "run",
    "sandbox",
    "statement",
    "status",
    "sweep",
    "sweeps",
    "systemd",
    "verify",
    "web",
)
"""What may follow the program's name, so that "the schema reconciler does" is not taken for a command."""
_COMMAND: Final = re.compile(
    rf"(?:^|(?<=[ \"]))sudo {PROGRAM} |{PROGRAM} (?:-|(?:{'|'.join(COMMANDS)})(?= |$))"
)
_END: Final = re.compile(r"[.:;] [A-Z]")
_CONTINUED: Final = " \\"
_LEAST_ROOM: Final = 16
_LABEL: Final = re.compile(r" *[^ ]+(?: [^ ]+)* {2,}(?=[^ ])")
_ROOM_BEHIND_LABEL: Final = 30


def wrapped(text: str, width: int) -> Iterator[str]:
    """The lines of a text on a terminal of this width. No word is broken, so a line may be longer than that.

    Further lines are indented more than the first. Two spaces end a label: the text goes on in its own column, or stands
    below the label if there is little room. From the first command on, a line that goes on ends with a backslash: a shell
    then takes the whole as one command, and never a part of it.
    """
    indent = len(text) - len(text.lstrip(" "))
    if len(text) <= width:
        yield text
        return
    found = _COMMAND.search(text)
    command_at = len(text) if found is None else found.start()
    # a sentence may follow the command
    ended = _END.search(text, command_at)
    command_until = len(text) if ended is None else ended.start()
    further = " " * (indent + 2 if width - indent - 2 >= _LEAST_ROOM else 0)
    line, is_first = " " * indent, True
    label = _LABEL.match(text)
    label_until = 0
    if label is not None and label.end() <= command_at:
        label_until, is_first = label.end(), False
        if label_until <= width - _ROOM_BEHIND_LABEL:
            further, line = " " * label_until, label[0].removesuffix(" ")
        else:
            # the label stands alone, or it would run into the text
            yield from wrapped(label[0].rstrip(), width)
            line = further
    for word in re.compile(r"[^ ]+").finditer(text, label_until):
        is_command = command_at < word.start() <= command_until
        # a continued command needs room for its backslash, also before its last word
        room = width - (len(_CONTINUED) if is_command or word.start() == command_at else 0)
        if not line.strip():
            line += word[0]
        elif len(line) + 1 + len(word[0]) <= room:
            line += f" {word[0]}"
        else:
            yield line + (_CONTINUED if is_command else "")
            line, is_first = further + word[0], False
    yield line if not is_first else line.rstrip()
