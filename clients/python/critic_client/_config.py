"""Every number of the client, named once, and the settings of one client."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from urllib.parse import urlsplit

DEFAULT_BASE_URL = "http://127.0.0.1:3000"
DEFAULT_TIMEOUT_S = 120.0
DEFAULT_MAX_RETRIES = 2
DEFAULT_READY_TIMEOUT_S = 300.0

CONNECT_TIMEOUT_S = 10.0
PROBE_TIMEOUT_S = 5.0
READY_POLL_S = 0.5

# The service is told to stop this much before the client does, so that its own answer, which says
# where the time went, arrives before the client gives up.
DEADLINE_MARGIN = 0.1
MAX_DEADLINE_MARGIN_S = 1.0
MAX_SERVER_DEADLINE_MS = 86_400_000

BACKOFF_FIRST_S = 0.5
BACKOFF_MAX_S = 8.0
RETRY_AFTER_MAX_S = 60.0
JITTER = 0.25


@dataclass(frozen=True)
class Config:
    """Settings of one client, checked when it is made.

    Raises:
        ValueError: if the address is no HTTP address, or a number is out of range.
    """

    base_url: str = DEFAULT_BASE_URL
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = DEFAULT_TIMEOUT_S
    max_retries: int = DEFAULT_MAX_RETRIES

    def __post_init__(self) -> None:
        if not _is_http_address(self.base_url):
            raise ValueError(
                f"base_url must be like {DEFAULT_BASE_URL} or https://host, not {self.base_url!r}"
            )
        # Checked here because the HTTP library would quote the key in its own complaint.
        if self.api_key is not None and not _is_header_text(self.api_key):
            raise ValueError("api_key must be printable ASCII text without spaces")
        check_seconds("timeout_s", self.timeout_s)
        if self.max_retries < 0:
            raise ValueError(f"max_retries must be zero or more, not {self.max_retries}")

    @property
    def is_loopback(self) -> bool:
        """Whether the service runs on this machine."""
        return urlsplit(self.base_url).hostname in ("127.0.0.1", "localhost", "::1")

    def deadline_s(self, asked_s: float | None) -> float:
        """Choose the deadline of a call: the one asked for, or the client's own."""
        return self.timeout_s if asked_s is None else check_seconds("deadline_s", asked_s)


def _is_http_address(text: str) -> bool:
    try:
        address = urlsplit(text)
        # Reading the port is what checks it.
        return address.scheme in ("http", "https") and bool(address.hostname) and address.port != 0
    except ValueError:
        return False


def _is_header_text(text: str) -> bool:
    return bool(text) and all("!" <= character <= "~" for character in text)


def check_seconds(name: str, seconds: float) -> float:
    """Return a length of time that is finite and above zero.

    Raises:
        ValueError: if it is not.
    """
    if not (math.isfinite(seconds) and seconds > 0):
        raise ValueError(f"{name} must be a finite number of seconds above zero, not {seconds!r}")
    return seconds


def deadline_margin_s(remaining_s: float) -> float:
    """How much earlier than the client the service is to give up."""
    return min(MAX_DEADLINE_MARGIN_S, DEADLINE_MARGIN * remaining_s)
