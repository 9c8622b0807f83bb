"""A year of an account's ledger and discrepancies, for the benchmarks of finance: a million entries in half a minute.

Every ten entries are a round. In round ``n`` discrepancy ``n`` is found; an older one has changed, one is corrected, and one
has changed again; a window sweep has examined four days. Every tenth discrepancy stays open. The chain is valid.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import psycopg

ACCOUNT = "default"
FIRST = datetime(2025, 11, 1, tzinfo=UTC)
LAST = datetime(2026, 11, 6, tzinfo=UTC)
MONTH = "2026-10"
"""The last whole month, and ``LAST`` is after its cut-off."""
ROLE = "reconciler"
OPEN_EVERY = 10
DAYS_A_SWEEP = 4
LedgerRow = tuple[str, int, str, str, str, str, str, str]


@dataclass(frozen=True, slots=True)
class FinanceYear:
    """``rounds`` discrepancies, and ten times as many entries."""

    rounds: int

    def fill(self, url: str) -> None:
        """Write the year into a migrated database that has no entry yet."""
        with psycopg.connect(url, autocommit=True) as connection:
            head = (0, "0" * 64)
            statement = "COPY reconciler.ledger (account, seq, at, action, body, prev, hash, role) FROM STDIN"
            with connection.cursor().copy(statement) as copy:
                for row in self._chain():
                    copy.write_row(row)
                    head = row[1], row[6]
            connection.execute(
                "INSERT INTO reconciler.ledger_heads (account, seq, hash) VALUES (%s, %s, %s)",
                (ACCOUNT, *head),
            )
            statement = (
                "COPY reconciler.discrepancies (account, subject, kind, payment_intent, keys, severity, state,"
                " stake_amount, currency, local, stripe, evidence, fingerprint, first_seen, last_seen, changed_at,"
                " payment_created)"
                " FROM STDIN"
            )
            with connection.cursor().copy(statement) as copy:
                for number in range(self.rounds):
                    copy.write_row(self._discrepancy(number))
            connection.execute("VACUUM ANALYZE reconciler.ledger")
            connection.execute("VACUUM ANALYZE reconciler.discrepancies")

    def _chain(self) -> Iterator[LedgerRow]:
        prev, seq = "0" * 64, 0
        for number in range(self.rounds):
            stamp = _stamp(self._time(number))
            for action, body in self._round(number):
                seq += 1
                text = _json(body)
                hashed = (
                    f'{{"account":"{ACCOUNT}","action":"{action}","at":"{stamp}","body":{text},"prev":"{prev}",'
                    f'"role":"{ROLE}","seq":{seq},"v":2}}'
                )
                digest = hashlib.sha256(hashed.encode()).hexdigest()
                yield ACCOUNT, seq, stamp, action, text, prev, digest, ROLE
                prev = digest

    def _round(self, number: int) -> Iterator[tuple[str, dict[str, object]]]:
        yield "finding_opened", self._finding(number, "open")
        if (earlier := number - 3) >= 0:
            yield "finding_changed", self._finding(earlier, "open")
        settled = number - 5
        if settled >= 0 and settled % OPEN_EVERY == 0:
            yield "finding_changed", self._finding(settled, "open")
            yield "finding_changed", self._finding(settled, "open")
        elif settled >= 0:
            yield "correction", _correction(settled)
            yield (
                "finding_changed",
                {
                    **_identity(settled),
                    "sweep": settled,
                    "asked_by": "service",
                    "state": "corrected",
                },
            )
        now = self._time(number)
        days = [
            (now - timedelta(days=back)).date().isoformat() for back in range(DAYS_A_SWEEP, 0, -1)
        ]
        for day in days:
            yield "day_totals", _day(number, day)
        yield "sweep", _sweep(number, days)

    def _time(self, number: int) -> datetime:
        return FIRST + (LAST - FIRST) * number / self.rounds

    def _finding(self, number: int, state: str) -> dict[str, object]:
        created = self._time(number) - timedelta(hours=3)
        return {
            **_identity(number),
            "sweep": number,
            "asked_by": "service",
            "state": state,
            "severity": "warning",
            "keys": [str(number)],
            "stake": {"amount": 1000 + number % 9000, "currency": "eur"},
            "reason": None,
            **_values(number, created),
            "difference": {"eur": -1000 - number % 9000},
            "payment_created": _stamp(created),
        }

    def _discrepancy(self, number: int) -> tuple[object, ...]:
        created = self._time(number) - timedelta(hours=3)
        values = _values(number, created)
        # the last rounds have not come to their correction
        is_open = number % OPEN_EVERY == 0 or number + 5 >= self.rounds
        seen = created + timedelta(hours=3)
        return (
            ACCOUNT,
            _intent(number),
            "missed_outcome",
            _intent(number),
            [str(number)],
            "warning",
            "open" if is_open else "corrected",
            1000 + number % 9000,
            "eur",
            _json(values["local"]),
            _json(values["stripe"]),
            _json(values["evidence"]),
            values["fingerprint"],
            seen,
            seen,
            seen,
            created,
        )


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _stamp(at: datetime) -> str:
    return f"{at:%Y-%m-%dT%H:%M:%S.%f}Z"


def _intent(number: int) -> str:
    return f"pi_3Q{number:022d}"


def _identity(number: int) -> dict[str, object]:
    return {"subject": _intent(number), "kind": "missed_outcome"}


def _values(number: int, created: datetime) -> dict[str, object]:
    amount = 1000 + number % 9000
    charge = f"ch_3Q{number:022d}"
    values: dict[str, object] = {
        "local": {
            "key": str(number),
            "payment_intent": _intent(number),
            "status": "pending",
            "outcome": "incomplete",
            "amount": amount,
            "currency": "eur",
        },
        "stripe": {
            "status": "succeeded",
            "outcome": "succeeded",
            "amount": amount,
            "amount_received": amount,
            "amount_capturable": 0,
            "currency": "eur",
            "charge": charge,
            "amount_refunded": 0,
            "refunded": False,
            "disputed": False,
        },
    }
    fingerprint = hashlib.sha256(_json({"kind": "missed_outcome", **values}).encode()).hexdigest()
    return {
        **values,
        "fingerprint": fingerprint,
        "evidence": {
            "request_id": f"req_{number:014d}",
            "seen_at": _stamp(created + timedelta(hours=3)),
            "created": _stamp(created),
            "canceled_at": None,
            "livemode": True,
            "method": "card",
            "failure_code": None,
            "next_action": None,
            "charge": {
                "id": charge,
                "status": "succeeded",
                "created": _stamp(created),
                "amount": amount,
                "amount_captured": amount,
                "failure_code": None,
                "capture_before": None,
            },
            "events": [{"id": f"evt_3Q{number:022d}", "type": "payment_intent.succeeded"}],
        },
    }


def _correction(number: int) -> dict[str, object]:
    return {
        "sweep": number,
        "asked_by": "service",
        "key": str(number),
        "payment_intent": _intent(number),
        "outcome": "succeeded",
        "before": {"status": "pending", "amount": str(1000 + number % 9000)},
        "after": {"status": "paid"},
    }


def _day(sweep: int, day: str) -> dict[str, object]:
    return {
        "sweep": sweep,
        "day": day,
        "currency": "eur",
        "local": {"succeeded": {"count": 2700, "amount": 13_500_000}},
        "stripe": {"succeeded": {"count": 2740, "amount": 13_700_000}},
        "received": {"count": 2740, "amount": 13_700_000},
        "refunded": 0,
        "disputed": 0,
        "moved": 0,
        "waiting": 0,
        "returned": 0,
        "unrelated": {"count": 0, "amount": 0},
        "outside_mapping": {"count": 0, "amount": 0},
    }


def _sweep(number: int, days: list[str]) -> dict[str, object]:
    return {
        "sweep": number,
        "kind": "window",
        "mode": "apply",
        "asked_by": "service",
        "complete": True,
        "examined": 11_000,
        "reads": 110,
        "milliseconds": 2_000,
        "days": {"first": days[0], "last": days[-1]},
        "timezone": "UTC",
    }
