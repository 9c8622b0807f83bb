"""A sandbox with many payments in a process of its own: ``python -m tests.benchmarks.stripe_process``.

:class:`StripeProcess` starts and stops it, and sends it commands on its standard input. The process ends when its standard
input ends, so that it does not outlive an interrupted benchmark.
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
from tests.benchmarks.payment_sets import WRONG_SHARE, PaymentPair, mixed_pairs, open_pairs

REPOSITORY = Path(__file__).parents[2]
KEY = LIVE_KEY
"""A live key: in live mode Stripe allows 100 requests a second in all, so that the limit of the list is met first."""
RETRIEVE = "GET /v1/payment_intents/{id}"
LIST = "GET /v1/payment_intents"
EVENTS = "GET /v1/events"
OPENED_AMOUNT = 1250


@dataclass(frozen=True, slots=True, kw_only=True)
class PaymentSet:
    """What both processes need to make the same payments; ``now`` is in Unix seconds. See :mod:`payment_sets`."""

    intents: int
    now: int
    wrong_share: float = WRONG_SHARE
    all_open: bool = False

    def pairs(self) -> Iterator[PaymentPair]:
        """Each intent with its charge and its row's status, oldest first."""
        now = datetime.fromtimestamp(self.now, UTC)
        if self.all_open:
            return open_pairs(self.intents, now, livemode=True)
        return mixed_pairs(self.intents, now, livemode=True, wrong_share=self.wrong_share)


@dataclass(frozen=True, slots=True)
class Counts:
    """The requests that the sandbox has counted since ``reset_counts``."""

    reads: int
    rate_limited: int
    most_per_second: Mapping[str, int]
    """The most requests that arrived within one second, by endpoint; under "" of all endpoints together."""
    of_endpoint: Mapping[str, int]


class StripeProcess:
    """A running sandbox with these payments; use it in a with block. ``latency`` is in seconds."""

    def __init__(self, payment_set: PaymentSet, latency: float) -> None:
        self._options = json.dumps({**asdict(payment_set), "latency": latency})
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

    def set_limits(self, *, documented: bool) -> None:
        """Switch Stripe's documented limits on or off."""
        self._command("limits on" if documented else "limits off")

    def reset_counts(self) -> None:
        """Start to count again from 0."""
        self._command("reset counts")

    def counts(self) -> Counts:
        """The requests counted so far."""
        return Counts(**self._command("counts"))

    def open_payment(self) -> str:
        """A customer opens the checkout now; returns the id of the intent."""
        return str(self._command("open")["intent"])

    def _command(self, command: str) -> dict[str, Any]:
        if self._process is None or self._process.stdin is None:
            raise RuntimeError("the sandbox's process is not running")
        self._process.stdin.write(f"{command}\n")
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
        "most_per_second": {name: seen.most_per_second(name) for name in ("", *of_endpoint)},
        "of_endpoint": of_endpoint,
    }


def _serve(latency: float, **payment_set: Any) -> None:
    sandbox = Sandbox(SystemClock(), seed=1, faults=Faults(latency=latency), livemode=True)
    sandbox.load((pair.intent, pair.charge) for pair in PaymentSet(**payment_set).pairs())

    with SandboxServer(sandbox) as server:
        _write_answer({"url": server.url})

        for line in sys.stdin:
            match line.strip():
                case "reset counts":
                    sandbox.requests.reset()
                case "limits on":
                    sandbox.limiter.limits = SandboxLimits()
                case "limits off":
                    sandbox.limiter.limits = NO_LIMITS
                case "open":
                    _write_answer({"intent": sandbox.create_payment(OPENED_AMOUNT, "eur").id})
                    continue
                case _:
                    pass  # "counts"
            _write_answer(_counts(sandbox))


def _write_answer(answer: dict[str, Any]) -> None:
    sys.stdout.write(f"{json.dumps(answer)}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    _serve(**json.loads(sys.argv[1]))
