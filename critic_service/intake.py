"""Intake: from references to clips to what a call needs of them, in a few threads.

Each distinct clip of a call is decoded once, by the hash of its bytes, however often and in
whatever form it is named. Three things bound the memory: few threads decode at once, nobody
prepares further ahead than a few batches, and what was prepared is dropped with its last user.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from critic_models.errors import ClipUnreadable
from critic_models.video.frames import looks_like_safetensors
from critic_models.video.limits import ClipLimits
from critic_models.video.load import read_file

from critic_service.clip_store import ClipStore
from critic_service.errors import Draining, InvalidRequest, Overloaded
from critic_service.keys import CALLER
from critic_service.metrics import Metrics
from critic_service.schemas import ClipRef

FRAMES_MEDIA_TYPE = "application/x-safetensors"
MAX_RETRY_AFTER_S = 60.0
SMOOTHING = 0.1
MAX_LISTED = 20

MadeT = TypeVar("MadeT")


@dataclass(frozen=True)
class Part:
    """The bytes of one clip that travel beside a request.

    Attributes:
        read: returns them; called in a worker thread, possibly more than once.
        num_bytes: how many they are.
        is_frames: whether they were announced as raw frames.
    """

    read: Callable[[], bytes]
    num_bytes: int
    is_frames: bool = False

    @classmethod
    def of_bytes(cls, data: bytes, media_type: str | None = None) -> Part:
        """Wrap bytes in memory."""
        return cls(lambda: data, len(data), media_type == FRAMES_MEDIA_TYPE)

    @classmethod
    def of_file(cls, path: str | Path) -> Part:
        """Wrap a file, which is read when it is needed.

        Raises:
            OSError: the file does not exist or cannot be looked at.
        """
        return cls(lambda: read_file(path), Path(path).stat().st_size)


@dataclass(eq=False)
class _Shared(Generic[MadeT]):
    task: asyncio.Task[MadeT]
    users: int = 0


class Intake:
    """The threads that decode, and the bounds on them.

    Args:
        limits: bounds on one clip.
        num_threads: clips that are decoded at once.
        max_clips: clips of all calls in progress together; one call alone may exceed it.
        wait_for_room: returns when more work may be prepared.
        metrics: told of every decoded clip.
        store: clips that were sent ahead.
    """

    def __init__(
        self,
        limits: ClipLimits,
        *,
        num_threads: int,
        max_clips: int,
        wait_for_room: Callable[[], Awaitable[None]],
        metrics: Metrics,
        store: ClipStore,
    ) -> None:
        self.limits = limits
        self.num_threads = num_threads
        self.store = store
        self._max_clips = max_clips
        self._wait_for_room = wait_for_room
        self._metrics = metrics
        self._clips_in_progress = 0
        self._typical_s = 0.05
        self._closed = False
        self._turns = asyncio.Semaphore(num_threads)
        self._threads = ThreadPoolExecutor(num_threads, thread_name_prefix="intake")

    @contextmanager
    def open(
        self,
        refs: Sequence[ClipRef],
        parts: Mapping[str, Part],
        make: Callable[[bytes], MadeT],
    ) -> Iterator[CallClips[MadeT]]:
        """Let in the clips of one call.

        Args:
            refs: every clip that the call names, in its order.
            parts: what the references may name; each must be named.
            make: turns the bytes of a clip into what the call needs of it.

        Raises:
            InvalidRequest: a part is named but missing, or there but not named.
            Overloaded: too many clips are in progress, or too many of this caller's.
        """
        _check_names(refs, parts)
        num_clips = len(refs)
        if self._clips_in_progress and self._clips_in_progress + num_clips > self._max_clips:
            wait_s = self._typical_s * self._clips_in_progress / self.num_threads
            raise Overloaded(
                f"{self._clips_in_progress} clips are in progress and this call brings "
                f"{num_clips}; the limit is {self._max_clips}",
                retry_after_s=min(MAX_RETRY_AFTER_S, wait_s),
                resource="intake",
            )
        self._clips_in_progress += num_clips
        try:
            with CALLER.get().clips(num_clips):
                yield CallClips(self, parts, make)
        finally:
            self._clips_in_progress -= num_clips

    async def make(self, make: Callable[[], MadeT]) -> MadeT:
        """Run `make` in one of the threads when it is its turn and the desk has room.

        Raises:
            Draining: it was closed before the turn came.
        """
        async with self._turns:
            await self._wait_for_room()
            if self._closed:
                raise Draining("the service stopped before this clip was decoded")
            started_s = time.monotonic()
            made = await asyncio.get_running_loop().run_in_executor(self._threads, make)
            took_s = time.monotonic() - started_s
        self._typical_s += SMOOTHING * (took_s - self._typical_s)
        self._metrics.on_decode(took_s)
        return made

    def close(self) -> None:
        """Begin nothing more; what is being decoded is not waited for."""
        self._closed = True
        self._threads.shutdown(wait=False)


class CallClips(Generic[MadeT]):
    """The clips of one call."""

    def __init__(
        self, intake: Intake, parts: Mapping[str, Part], make: Callable[[bytes], MadeT]
    ) -> None:
        self._intake = intake
        self._parts = parts
        self._make = make
        self._identities: dict[tuple[str, str], str] = {}
        self._shared: dict[str, _Shared[MadeT]] = {}
        # A call takes no more turns at once than there are threads, so that a call of hundreds of
        # clips lets others in between.
        self._turns = asyncio.Semaphore(intake.num_threads)

    async def identify(self, refs: Sequence[ClipRef]) -> list[str]:
        """Return what tells apart the clips of this call: equal bytes have equal identities."""
        distinct = {_name(ref): ref for ref in refs}
        names = list(distinct)
        if len(names) == 1:
            self._identities[names[0]] = "the only clip"
        else:
            digests = await asyncio.gather(
                *(asyncio.to_thread(self._digest, ref) for ref in distinct.values())
            )
            self._identities.update(zip(names, digests, strict=True))
        return [self._identities[_name(ref)] for ref in refs]

    @contextmanager
    def use(self, ref: ClipRef) -> Iterator[Awaitable[MadeT]]:
        """Share what is made of a clip with everybody who uses it at the same time.

        Awaiting raises the clip's error, the same for all its users.
        """
        identity = self._identities[_name(ref)]
        shared = self._shared.get(identity)
        if shared is None:
            shared = _Shared(asyncio.create_task(self._made(ref)))
            self._shared[identity] = shared
        shared.users += 1
        try:
            yield asyncio.shield(shared.task)
        finally:
            shared.users -= 1
            if not shared.users:
                shared.task.cancel()
                del self._shared[identity]

    def reader(self, ref: ClipRef) -> Callable[[], bytes]:
        """Return what reads the bytes of a clip, for another thread than those of the intake."""
        return lambda: self._read(ref)

    async def _made(self, ref: ClipRef) -> MadeT:
        async with self._turns:
            return await self._intake.make(lambda: self._make(self._read(ref)))

    def _digest(self, ref: ClipRef) -> str:
        try:
            return hashlib.sha256(self._read(ref)).hexdigest()
        except Exception:
            # Whatever is wrong with the clip is reported by whoever uses it.
            field, value = _name(ref)
            return f"unreadable {field} {hashlib.sha256(value.encode()).hexdigest()}"

    def _read(self, ref: ClipRef) -> bytes:
        if ref.part is not None:
            part = self._parts[ref.part]
            self._intake.limits.check("max_bytes", part.num_bytes)
            data, is_frames = part.read(), part.is_frames
        elif ref.clip_id is not None:
            data, is_frames = self._intake.store.get(ref.clip_id), False
        else:
            text = ref.video_base64 if ref.video_base64 is not None else ref.frames_base64
            data, is_frames = self._decode_base64(text or ""), ref.frames_base64 is not None
        if is_frames and data and not looks_like_safetensors(data):
            raise ClipUnreadable("the clip is announced as raw frames, but is not safetensors")
        return data

    def _decode_base64(self, text: str) -> bytes:
        self._intake.limits.check("max_bytes", len(text) // 4 * 3 - text[-2:].count("="))
        try:
            return base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise ClipUnreadable(
                "the clip is not base64: only the standard alphabet is allowed, padded, without "
                "line breaks and without a data: prefix"
            ) from None


def _name(ref: ClipRef) -> tuple[str, str]:
    """Name a clip by the form and the value of its reference."""
    for field in type(ref).model_fields:
        value = getattr(ref, field)
        if value is not None:
            return field, value
    raise InvalidRequest("a clip is named by nothing")


def _check_names(refs: Sequence[ClipRef], parts: Mapping[str, Part]) -> None:
    named = {ref.part for ref in refs if ref.part is not None}
    missing = sorted(named - parts.keys())
    if missing:
        raise InvalidRequest(
            f"the request names parts that are not there: {', '.join(missing[:MAX_LISTED])}",
            missing=missing[:MAX_LISTED],
            parts=sorted(parts)[:MAX_LISTED],
        )
    unused = sorted(parts.keys() - named)
    if unused:
        raise InvalidRequest(
            f"no clip of the request names these parts: {', '.join(unused[:MAX_LISTED])}",
            unused=unused[:MAX_LISTED],
        )
