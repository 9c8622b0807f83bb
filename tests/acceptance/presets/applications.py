"""The applications that have a preset."""

from __future__ import annotations

from collections.abc import Mapping

from reconciler.entrypoints.init.presets import Preset
from tests.acceptance.presets.application_table import ApplicationTable
from tests.acceptance.presets.billing_tables import LAGO
from tests.acceptance.presets.mirror_tables import (
    DJ_STRIPE,
    DJ_STRIPE_STRIPE_DATA,
    STRIPE_SYNC_ENGINE,
)
from tests.acceptance.presets.shop_tables import ODOO, SALEOR, SOLIDUS, SPREE

APPLICATIONS: Mapping[str, ApplicationTable] = {
    "dj-stripe": DJ_STRIPE,
    "dj-stripe-stripe-data": DJ_STRIPE_STRIPE_DATA,
    "lago": LAGO,
    "odoo": ODOO,
    "saleor": SALEOR,
    "solidus": SOLIDUS,
    "spree": SPREE,
    "stripe-sync-engine": STRIPE_SYNC_ENGINE,
}
"""By the name of the preset."""


def qualified(preset: Preset) -> str:
    """The preset's table with the schema that ``init`` would find."""
    return f"{APPLICATIONS[preset.name].schema}.{preset.section.table}"
