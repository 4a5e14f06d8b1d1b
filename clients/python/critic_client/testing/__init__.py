"""For tests of programs that use the client: a critic service that needs neither models nor GPU.

from critic_client.testing import FakeCritic

with FakeCritic() as critic, CriticClient(critic.url) as client:
    critic.fail_next("overloaded", "dropped")
    reply = client.score(b"any bytes are a clip here", "a prompt")
"""

from __future__ import annotations

from .server import FakeCritic, Fault

__all__ = ["FakeCritic", "Fault"]
