"""How a delivery is signed."""

from __future__ import annotations

from reconciler.domain.delivery_signature import signature
from tests.unit.domain.test_outbox_message import NOW


def test_the_signature_is_hmac_sha256_of_time_and_body() -> None:
    """The answer is known from openssl: printf '1795608000.{}' | openssl dgst -sha256 -hmac whsec_test."""
    assert signature(b"{}", "whsec_test", NOW) == (
        "t=1795608000,v1=a57f6c7fd0dc2be4d8c922a653a51975792143d5d37b179e072368fe04736d8d"
    )
