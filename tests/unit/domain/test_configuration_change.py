"""Which keys of a configuration changed."""

from __future__ import annotations

from reconciler.domain.audit.configuration_change import DecidingSettings, configuration_entry
from reconciler.domain.audit.ledger_entry import Action, AskedBy


def test_each_changed_key_is_named() -> None:
    """A new key, one that is gone and one with another value; what stayed is not named."""
    before = DecidingSettings("a" * 64, {"same": "1", "gone": "2", "other": "3"})
    after = DecidingSettings("b" * 64, {"same": "1", "new": "4", "other": "5"})
    entry = configuration_entry(before, after, AskedBy("ana", "Ana"))
    assert entry is not None
    assert entry.action is Action.CONFIGURATION
    assert entry.body == {
        "asked_by": "ana",
        "claimed_by": "Ana",
        "before": "a" * 64,
        "after": "b" * 64,
        "keys": [
            {"key": "gone", "before": "2", "after": None},
            {"key": "new", "before": None, "after": "4"},
            {"key": "other", "before": "3", "after": "5"},
        ],
    }


def test_without_a_changed_key_there_is_no_entry() -> None:
    """As where only the way changed in which a version makes the fingerprint."""
    values = {"same": "1"}
    before, after = DecidingSettings("a" * 64, values), DecidingSettings("b" * 64, values)
    assert configuration_entry(before, after, AskedBy("ana")) is None
