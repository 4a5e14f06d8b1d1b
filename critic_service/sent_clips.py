"""Clips that are sent ahead of the calls that name them by their content."""

from __future__ import annotations

import asyncio
import hashlib
from typing import Any

from critic_models.errors import ClipEmpty, ClipTooLarge
from critic_models.video.frames import from_safetensors, looks_like_safetensors
from critic_models.video.limits import ClipLimits
from critic_models.video.sampling import Uniform

from critic_service import schemas
from critic_service.call import CallContext
from critic_service.clip_store import ClipStore
from critic_service.desk import Desk


class SentClips:
    """Take clips in and keep them for a while.

    Args:
        store: where they are kept.
        limits: bounds on one clip.
        desk: refuses while the service stops, and waits for what was admitted.
    """

    def __init__(self, store: ClipStore, limits: ClipLimits, desk: Desk[Any, Any]) -> None:
        self.store = store
        self._limits = limits
        self._desk = desk

    async def keep(self, data: bytes, context: CallContext) -> schemas.ClipResponse:
        """Keep a clip, so that later requests can name it.

        Args:
            data: encoded video, or raw frames as a safetensors buffer.
            context: of the call.

        Raises:
            ClipEmpty: there is not one byte.
            ClipTooLarge: it is above the limit on clips, or does not fit into the room for them.
            ClipUnreadable: it is safetensors, but not of frames.
            Draining: no new work is taken.
        """
        if not data:
            raise ClipEmpty("The clip has no bytes.")
        self.check(len(data))
        with self._desk.admit(0, priority=context.priority):
            clip_id = await asyncio.to_thread(clip_id_of, data, self._limits)
            self.store.put(clip_id, data)
        return schemas.ClipResponse(
            request_id=context.request_id,
            clip_id=clip_id,
            num_bytes=len(data),
            expires_in_s=self.store.keep_s,
        )

    def check(self, num_bytes: int) -> None:
        """Check that a clip of so many bytes or more could be kept.

        Raises:
            ClipTooLarge: it could not.
        """
        self._limits.check("max_bytes", num_bytes)
        room = self.store.max_bytes
        if num_bytes > room:
            raise ClipTooLarge(
                f"The clip has {num_bytes} bytes or more; clips that are sent ahead may have "
                f"{room} together.",
                limit="max_kept_clip_bytes",
                allowed=room,
                found=num_bytes,
            )


def clip_id_of(data: bytes, limits: ClipLimits) -> str:
    """Return the hash of a clip's content, the same as of the decoded clip, without decoding it.

    Raises:
        ClipError: it is safetensors, but not of frames within the limits.
    """
    if looks_like_safetensors(data):
        return from_safetensors(data, Uniform(1), limits).clip_id
    return hashlib.sha256(data).hexdigest()
