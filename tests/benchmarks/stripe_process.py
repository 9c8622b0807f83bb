"""A sandbox with a world of payments, served by a process of its own: ``python -m tests.benchmarks.stripe_process``.

It is started and stopped by :class:`StripeProcess`. Over its standard input it is asked for its counts or for new limits,
and when that ends, so does it: nothing is left behind when a benchmark is interrupted.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from reconciler.clock import SystemClock
from reconciler.sandbox import LIVE_KEY, NO_LIMITS, Faults, Sandbox, SandboxLimits, SandboxServer
from tests.benchmarks.worlds import WRONG_SHARE, Pair, all_open, pairs

REPOSITORY = Path(__file__).parents[2]
KEY = LIVE_KEY
"""A live key: in live mode the overall limit is 100 requests a second, so that the list lane is the narrow one."""
RETRIEVE = "GET /v1/payment_intents/{id}"
LIST = "GET /v1/payment_intents"
EVENTS = "GET /v1/events"
OPENED_AMOUNT = 1250


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """Payments as both processes make them; ``now`` is in Unix seconds. See :mod:`worlds`."""

    intents: int
    now: int
    wrong_share: float = WRONG_SHARE
    all_open: bool = False

    def pairs(self) -> Iterator[Pair]:
        """Each intent with its charge and what the row says, oldest first."""
        now = datetime.fromtimestamp(self.now, UTC)
        if self.all_open:
            return all_open(self.intents, now, livemode=True)
        return pairs(self.intents, now, livemode=True, wrong_share=self.wrong_share)


@dataclass(frozen=True, slots=True)
class Counts:
    """What the sandbox has seen since it was last asked to forget."""

    reads: int
    rate_limited: int
    most_a_second: Mapping[str, int]
    """By endpoint, and under "" of all together: the most requests that arrived within one second."""
    of_endpoint: Mapping[str, int]


class StripeProcess:
    """A running sandbox; use it in a with block. ``latency`` is in seconds; ``world`` says which payments it has."""

    def __init__(self, world: World, latency: float) -> None:
        self._options = json.dumps({**asdict(world), "latency": latency})
        self._process: subprocess.Popen[str] | None = None
        self.url = ""

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.benchmarks.stripe_process", self._options],
            cwd=REPOSITORY,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.url = self._answer()["url"]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        if process is None or process.stdin is None or process.stdout is None:
            return
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()

    def limit(self, *, documented: bool) -> None:
        """Switch Stripe's documented limits on or off."""
        self._ask("limits on" if documented else "limits off")

    def forget(self) -> None:
        """Begin counting anew."""
        self._ask("forget")

    def counts(self) -> Counts:
        """What it has seen."""
        return Counts(**self._ask("counts"))

    def open_payment(self) -> str:
        """A customer fills a cart now; the id of its intent."""
        return str(self._ask("open")["intent"])

    def _ask(self, question: str) -> dict[str, Any]:
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("the sandbox's process is not running")
        self._process.stdin.write(f"{question}\n")
        self._process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        if self._process is None or self._process.stdout is None:
            raise RuntimeError("the sandbox's process is not running")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError("the sandbox's process has ended")
        answer: dict[str, Any] = json.loads(line)
        return answer


def _counts(sandbox: Sandbox) -> dict[str, Any]:
    seen = sandbox.requests
    of_endpoint: Counter[str] = Counter()
    for (endpoint, _), number in seen.counts.items():
        of_endpoint[endpoint] += number
    return {
        "reads": seen.reads,
        "rate_limited": seen.rate_limited,
        "most_a_second": {name: seen.most_per_second(name) for name in ("", *of_endpoint)},
        "of_endpoint": of_endpoint,
    }


def _serve(latency: float, **world: Any) -> None:
    sandbox = Sandbox(SystemClock(), seed=1, faults=Faults(latency=latency), livemode=True)
    sandbox.load((pair.intent, pair.charge) for pair in World(**world).pairs())
    with SandboxServer(sandbox) as server:
        _tell({"url": server.url})
        for line in sys.stdin:
            match line.strip():
                case "forget":
                    sandbox.requests.reset()
                case "limits on":
                    sandbox.gate.limits = SandboxLimits()
                case "limits off":
                    sandbox.gate.limits = NO_LIMITS
                case "open":
                    _tell({"intent": sandbox.create_payment(OPENED_AMOUNT, "eur").id})
                    continue
                case _:
                    pass  # the counts are asked for
            _tell(_counts(sandbox))


def _tell(answer: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve(**json.loads(sys.argv[1]))
