"""A merchant's table, a sandbox Stripe, and the configuration file that joins them: shared by the acceptance tests."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from psycopg import sql

from reconciler.sandbox import TEST_KEY, Sandbox, SandboxServer
from tests.conftest import Shop
from tests.kept_connections import kept_connection

REPOSITORY = Path(__file__).parents[2]
Section = Mapping[str, Any] | list[Mapping[str, Any]]

PAYMENTS: Mapping[str, Any] = {
    "table": "public.payments",
    "key": "id",
    "payment_intent": "stripe_payment_intent_id",
    "status": "status",
    "amount": "amount",
    "currency": "currency",
    "created": "created_at",
    "updated": "updated_at",
    "order": "order_id",
    "read": {
        "pending": "incomplete",
        "failed": "failed",
        "processing": "processing",
        "authorized": "authorized",
        "paid": "succeeded",
        "canceled": "canceled",
    },
    "write": {
        "failed": "failed",
        "processing": "processing",
        "authorized": "authorized",
        "succeeded": "paid",
        "canceled": "canceled",
    },
}
"""The [payments] section of the plainest table: ``tests.conftest`` makes it without arguments."""


class ConfiguredShop:
    """A shop, its Stripe, and a configuration file. ``sections`` is what the file has, by section."""

    def __init__(
        self, shop: Shop, server: SandboxServer, folder: Path, sections: Mapping[str, Section]
    ) -> None:
        self.shop = shop
        self.server = server
        self.stripe: Sandbox = server.sandbox
        self.folder = folder
        self.config = folder / "reconciler.toml"
        self.environ: dict[str, str] = {
            "STRIPE_API_KEY": TEST_KEY,
            "DATABASE_URL": shop.url,
            "RECONCILER_CONFIG": str(self.config),
        }
        self.sections: dict[str, Any] = {"stripe": {"api_base": server.url}}
        self.configure(**sections)

    def configure(self, **sections: Section) -> None:
        """Change the configuration file. A key with None is removed; a list replaces a whole section."""
        for name, section in sections.items():
            if isinstance(section, list):
                self.sections[name] = section
                continue
            changed = {**self.sections.get(name, {}), **section}
            self.sections[name] = {
                key: value for key, value in changed.items() if value is not None
            }
        self.config.write_text(as_toml(self.sections), encoding="utf-8")

    def query(self, query: str) -> list[tuple[Any, ...]]:
        """The rows of a query."""
        return kept_connection(self.shop.url).execute(query).fetchall()  # type: ignore[call-overload,no-any-return]

    def execute(self, statement: str | sql.Composable) -> None:
        """Execute a statement as another user of the database does."""
        self.shop.execute(statement)


NO_RATE_LIMIT: Final = {
    "RECONCILER_BUDGET__GLOBAL_PER_SECOND": "100000",
    "RECONCILER_BUDGET__ENDPOINT_PER_SECOND": "100000",
    "RECONCILER_BUDGET__SEARCH_PER_SECOND": "100000",
}
"""A simulated Stripe has no limits, and a test that waits for them only takes longer."""


def service_sections(
    *,
    mode: str = "update",
    per_hour: int = 100_000,
    requests_per_second: int = 2000,
    lease: str = "4s",
    stall: str = "1m",
    due: str = "5m",
) -> dict[str, Section]:
    """The configuration of a service whose intervals suit a test, over the plainest table."""
    return {
        "stripe": {"livemode": False},
        "payments": PAYMENTS,
        "corrections": {"mode": mode, "grace": "1s", "per_hour": per_hour},
        "budget": {
            "share": 1,
            "reads_per_30_days": 100_000_000,
            "global_per_second": requests_per_second,
            "endpoint_per_second": requests_per_second,
            "search_per_second": requests_per_second,
        },
        "service": {"listen": "127.0.0.1:0", "lease": lease, "stall": stall, "due": due},
    }


def payments_section(shop: Shop) -> dict[str, Any]:
    """The [payments] section for a shop's mapping."""
    mapping = shop.mapping
    named = {
        "table": mapping.table,
        "key": mapping.key,
        "payment_intent": mapping.payment_intent,
        "status": mapping.status,
        "amount": mapping.amount,
        "amount_unit": mapping.amount_unit,
        "currency": mapping.currency,
        "currency_constant": mapping.currency_constant,
        "created": mapping.created,
        "created_unit": mapping.created_unit,
        "updated": mapping.updated,
        "order": mapping.order,
        "account": mapping.account,
    }
    section: dict[str, Any] = {key: value for key, value in named.items() if value is not None}
    section["read"] = {value: outcome.value for value, outcome in mapping.statuses.read.items()}
    section["write"] = {
        outcome.value: value
        for outcome, value in mapping.statuses.write.items()
        if outcome.value not in ("refunded", "disputed")
    }
    return section


def as_toml(sections: Mapping[str, Any]) -> str:
    """The text of a configuration file: sections that may hold tables, and lists of tables."""
    lines: list[str] = []
    for name, section in sections.items():
        if isinstance(section, list):
            for item in section:
                lines.append(f"[[{name}]]")
                lines += [f"{_quoted(key)} = {json.dumps(value)}" for key, value in item.items()]
            continue

        tables = {key: value for key, value in section.items() if isinstance(value, Mapping)}
        lines.append(f"[{name}]")
        lines += [
            f"{_quoted(key)} = {_value(value)}"
            for key, value in section.items()
            if key not in tables
        ]
        for key, table in tables.items():
            lines.append(f"[{name}.{_quoted(key)}]")
            lines += [f"{_quoted(inner)} = {_value(value)}" for inner, value in table.items()]
    return "\n".join(lines) + "\n"


def _value(value: object) -> str:
    """A value on one line; a table becomes an inline table."""
    if not isinstance(value, Mapping):
        return json.dumps(value)
    inner = ", ".join(f"{_quoted(key)} = {_value(item)}" for key, item in value.items())
    return f"{{ {inner} }}"


def _quoted(key: str) -> str:
    return json.dumps(key)
