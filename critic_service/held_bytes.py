"""Bodies of all calls in progress, through whichever door they came: one bound on their bytes."""

from __future__ import annotations

from critic_service.errors import BodyTooLarge, Overloaded


class HeldBytes:
    """What has come in and is not yet given back; for the event loop's thread.

    Args:
        max_one: bytes of one body.
        max_all: bytes of all bodies together.
    """

    def __init__(self, max_one: int, max_all: int) -> None:
        self.max_one = max_one
        self.max_all = max_all
        self.num_bytes = 0

    def check_one(self, num_bytes: int) -> None:
        """Refuse a body of `num_bytes` or more that is too long by itself.

        Raises:
            BodyTooLarge: it is.
        """
        if num_bytes > self.max_one:
            raise BodyTooLarge(
                f"the body has {num_bytes} bytes or more; at most {self.max_one} are allowed",
                limit="max_body_bytes",
                allowed=self.max_one,
            )

    def take(self, num_bytes: int) -> None:
        """Count bytes that have come in, not those announced: to announce costs nothing.

        Raises:
            Overloaded: there is no room for them; they are not counted.
        """
        if self.num_bytes + num_bytes > self.max_all:
            raise Overloaded(
                f"the bodies of all calls hold {self.num_bytes} bytes; the limit is {self.max_all}",
                resource="body_bytes",
            )
        self.num_bytes += num_bytes

    def give_back(self, num_bytes: int) -> None:
        """Count out bytes that nobody needs any longer."""
        self.num_bytes -= num_bytes
