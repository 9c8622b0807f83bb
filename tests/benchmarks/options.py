"""The size of a benchmark."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """``full`` takes the sizes that the targets name; ``tiny`` only shows that a benchmark still works.

    ``postgres`` is the URL of a server in which databases may be made, None for the embedded one. ``runs`` is how often a
    noisy benchmark is repeated, None for the benchmark's own number. ``first_seed`` is where ``mishaps`` begins to count, so
    that several processes can share its runs.
    """

    full: bool = False
    tiny: bool = False
    runs: int | None = None
    postgres: str | None = None
    first_seed: int = 0

    def sized(self, *, tiny: int, usual: int, full: int) -> int:
        """The size for these options."""
        if self.tiny:
            return tiny
        return full if self.full else usual

    def repeated(self, *, usual: int) -> int:
        """How often to repeat a noisy benchmark: at least five times for ``full``."""
        if self.tiny:
            return 1
        return self.runs or (max(5, usual) if self.full else usual)
