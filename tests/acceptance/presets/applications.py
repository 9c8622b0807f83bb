"""The applications that have a preset."""

from __future__ import annotations

from collections.abc import Mapping

from psycopg import sql

from reconciler.entrypoints.init.presets import Preset
from tests.acceptance.presets.application_table import ApplicationTable
from tests.acceptance.presets.billing_tables import CAL_COM, HYPERSWITCH, LAGO, PRETIX
from tests.acceptance.presets.mirror_tables import (
    DJ_STRIPE,
    DJ_STRIPE_STRIPE_DATA,
    PAY,
    STRIPE_SYNC_ENGINE,
)
from tests.acceptance.presets.shop_tables import (
    MEDUSA,
    ODOO,
    SALEOR,
    SOLIDUS,
    SPREE,
    VENDURE,
)

APPLICATIONS: Mapping[str, ApplicationTable] = {
    "cal-com": CAL_COM,
    "dj-stripe": DJ_STRIPE,
    "dj-stripe-stripe-data": DJ_STRIPE_STRIPE_DATA,
    "hyperswitch": HYPERSWITCH,
    "lago": LAGO,
    "medusa": MEDUSA,
    "odoo": ODOO,
    "pay": PAY,
    "pretix": PRETIX,
    "saleor": SALEOR,
    "solidus": SOLIDUS,
    "spree": SPREE,
    "stripe-sync-engine": STRIPE_SYNC_ENGINE,
    "vendure": VENDURE,
}
"""By the name of the preset."""


def qualified(preset: Preset) -> str:
    """The preset's table as ``schema.table``, with the schema in which the application makes its tables."""
    return f"{APPLICATIONS[preset.name].schema}.{preset.section.table}"


def table_name(preset: Preset) -> str:
    """The preset's table as a statement names it."""
    return sql.Identifier(APPLICATIONS[preset.name].schema, preset.section.table).as_string()
