"""Ask an OpenAI-compatible endpoint, such as a vLLM or an SGLang that somebody runs already.

Where it is, and with which key it is asked, is the operator's decision; nothing of a request
reaches it but the two texts, quoted. It is asked with the standard library: one connection for each
question, no redirects, a bound on the answer's bytes and on the whole time.
"""

from __future__ import annotations

import http.client
import json
import logging
import re
import ssl
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from critic_models.prompts.chat_reply import chat_request, read_chat_reply
from critic_models.prompts.judgement import Judgement, no_judgement
from critic_models.prompts.principles import Principle

logger = logging.getLogger(__name__)

MAX_REPLY_BYTES = 2**20
PIECE_BYTES = 2**16


@dataclass(frozen=True)
class Endpoint:
    """Where to ask, and how long to wait.

    Attributes:
        base_url: with the version, as in `http://127.0.0.1:8000/v1`.
        model: its name there.
        api_key: sent as a bearer token.
        timeout_s: of one question, from connecting to the last byte.

    Raises:
        ValueError: the address is no HTTP address, or carries a user, a query or a fragment.
    """

    base_url: str
    model: str
    api_key: str | None = field(default=None, repr=False)
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        address = urlsplit(self.base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ValueError(f"an address like http://127.0.0.1:8000/v1, not {self.base_url!r}")
        if address.port == 0 or address.username is not None or address.password is not None:
            raise ValueError("an address with a usable port and without a user or password")
        if address.query or address.fragment or re.search(r"[\x00-\x20\x7f]", self.base_url):
            raise ValueError("an address without spaces, query and fragment")

    def ask(self, principle: Principle, query: str, prompt: str) -> Judgement:
        """Ask one question and wait for the answer; blocks. Whatever fails is a reason."""
        body = json.dumps(chat_request(self.model, principle, query, prompt)).encode()
        try:
            status, content = self._post(body)
        except TimeoutError:
            reason = f"the endpoint did not answer within {self.timeout_s:g} s"
            return no_judgement(principle.name, "judge_timed_out", reason)
        except (OSError, http.client.HTTPException) as error:
            logger.warning("the prompt judge cannot be asked: %s", error)
            reason = f"the endpoint cannot be asked: {type(error).__name__}"
            return no_judgement(principle.name, "judge_unreachable", reason)
        if status != 200:
            # Its own words may tell of it what callers need not know.
            logger.warning("the prompt judge answered %d: %r", status, content[:500])
            reason = f"the endpoint answered with the status {status}"
            return no_judgement(principle.name, "judge_refused", reason)
        if len(content) > MAX_REPLY_BYTES:
            reason = f"the endpoint's answer is longer than {MAX_REPLY_BYTES} bytes"
            return no_judgement(principle.name, "judge_reply_invalid", reason)
        return read_chat_reply(principle.name, content)

    def _post(self, body: bytes) -> tuple[int, bytes]:
        ends_s = time.monotonic() + self.timeout_s
        connection = self._connection()
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if self.api_key is not None:
            headers["Authorization"] = f"Bearer {self.api_key}"
        path = urlsplit(self.base_url).path.rstrip("/")
        try:
            connection.request("POST", f"{path}/chat/completions", body, headers)
            socket = connection.sock
            response = connection.getresponse()
            content = bytearray()
            # A socket times each read; only this bounds an answer that comes in drops.
            while piece := response.read1(PIECE_BYTES):
                content += piece
                if len(content) > MAX_REPLY_BYTES:
                    break
                left_s = ends_s - time.monotonic()
                if left_s <= 0:
                    raise TimeoutError
                socket.settimeout(left_s)
            return response.status, bytes(content)
        finally:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        address = urlsplit(self.base_url)
        host = address.hostname or ""
        if address.scheme == "https":
            context = ssl.create_default_context()
            return http.client.HTTPSConnection(
                host, address.port, timeout=self.timeout_s, context=context
            )
        return http.client.HTTPConnection(host, address.port, timeout=self.timeout_s)
