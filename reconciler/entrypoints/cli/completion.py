"""``completion``: prints the script with which a shell completes commands and options."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import Annotated

import typer
from typer.completion import get_completion_script  # type: ignore[attr-defined]

from reconciler.entrypoints.invocation import COMPLETE_VARIABLE, PROGRAM
from reconciler.exit_codes import ExitCode


class Shell(StrEnum):
    """The shells that have a script."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(metavar="bash|zsh|fish", help="Your shell.")],
) -> int:
    """Print the script with which your shell completes commands and options.

    For bash: reconciler completion bash > ~/.local/share/bash-completion/completions/reconciler

    For zsh, in ~/.zshrc after compinit: eval "$(reconciler completion zsh)"

    For fish: reconciler completion fish > ~/.config/fish/completions/reconciler.fish
    """
    sys.stdout.write(
        get_completion_script(prog_name=PROGRAM, complete_var=COMPLETE_VARIABLE, shell=shell.value)
        + "\n"
    )
    return int(ExitCode.DONE)
