"""Who asked for a sweep, as far as they can be reached while it runs."""

from __future__ import annotations

from typing import Protocol

from reconciler.engine.report import ReportLine


class Requester(Protocol):
    """The person at the terminal, if there is one."""

    @property
    def wants_every_line(self) -> bool:
        """Whether the lines matter that a report itself does not keep."""
        ...

    def tell(self, text: str) -> None:
        """Say something that the person should know before the sweep goes on."""
        ...

    def confirms(self, question: str) -> bool:
        """Ask whether the sweep may go on. False if no person can be asked."""
        ...

    def take_line(self, line: ReportLine) -> None:
        """Take one line of the report as soon as it is known. A report itself keeps only the first lines."""
        ...


class NoRequester:
    """No person can be reached: the service sweeps, or a program called the engine."""

    wants_every_line = False

    def tell(self, text: str) -> None:
        """Say it to no one."""

    def confirms(self, question: str) -> bool:  # noqa: ARG002 - a Requester
        """No one confirms."""
        return False

    def take_line(self, line: ReportLine) -> None:
        """Leave the line to the report."""
