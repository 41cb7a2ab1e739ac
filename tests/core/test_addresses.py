"""What is said of an address that Apprise does not take: which service was meant, what it needs, how it is written."""

from __future__ import annotations

import pytest

from gitrelease.notify.addresses import why_not

SERVICES = [
    {
        "protocols": None, "secure_protocols": ("slack",), "enabled": True, "setup_url": "https://example.com/slack",
        "requirements": {"details": "", "packages_required": []},
        "details": {"templates": ("{schema}://{token_a}/{token_b}", "{schema}://{x}", "{schema}://{y}")},
    },
    {
        "protocols": ("mqtt",), "secure_protocols": ("mqtts",), "enabled": False, "setup_url": None,
        "requirements": {"details": "", "packages_required": ["paho-mqtt >= 2"]}, "details": {"templates": ()},
    },
]  # fmt: skip


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("slak://hush", "Apprise knows no service slak://; slack:// is meant?"),
        ("nothinglike://hush", "Apprise knows no service nothinglike://; All of them: https://"),
        ("slack://hush", "it is written slack://{token_a}/{token_b} or slack://{x}, see https://example.com/slack"),
        ("MQTTS://hush", "for mqtts:// Apprise needs what is not installed beside gitrelease: paho-mqtt >= 2"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_of_the_address_but_its_service(address: str, said: str) -> None:
    found = why_not(address, SERVICES)

    assert said in found
    assert "hush" not in found
