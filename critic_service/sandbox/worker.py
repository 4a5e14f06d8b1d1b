"""The helper process: for each clip it forks a child, which decodes that clip and ends.

Over the control socket comes one byte with the socket of a clip; when the clip's child has ended,
its wait status goes back. Everything is imported before the first fork, so that a child begins
within milliseconds and needs no file.
"""

from __future__ import annotations

import gc
import importlib
import os
import pkgutil
import socket
from collections.abc import Iterator
from typing import Any

import av
import numpy as np
from critic_models.errors import ClipError
from critic_models.types import Clip
from critic_models.video.limits import ClipLimits
from critic_models.video.load import iter_clip_bytes, load_clip
from critic_models.video.reader import TimedFrame
from critic_models.video.sampling import sampling_from_name
from PIL import Image

from critic_service.sandbox import confine
from critic_service.sandbox.warden import STATUS
from critic_service.sandbox.wire import Channel, ChannelClosed


def serve(control: socket.socket, greeting: bytes) -> None:
    """Greet, and serve until the other end closes."""
    _import_everything()
    own_bytes = confine.address_space_bytes()
    gc.freeze()
    control.sendall(greeting)
    while True:
        taken, descriptors, _, _ = socket.recv_fds(control, 1, 1)
        if not taken:
            return
        child = os.fork()
        if not child:
            control.close()
            _decode_and_end(Channel(socket.socket(fileno=descriptors[0])), own_bytes)
        os.close(descriptors[0])
        _, status = os.waitpid(child, 0)
        control.sendall(STATUS.pack(status))


def _import_everything() -> None:
    """Import now what libraries import when they first need it: a child cannot open a file."""
    Image.init()
    for module in pkgutil.walk_packages(av.__path__, "av."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)


def _decode_and_end(channel: Channel, own_bytes: int) -> None:
    status = 1
    try:
        _serve(channel, own_bytes)
        status = 0
    except ChannelClosed:
        status = 0  # nobody wants the frames any more
    finally:
        # What the parent would do at its end is not this process's to do.
        os._exit(status)


def _serve(channel: Channel, own_bytes: int) -> None:
    request = channel.header()
    limits = ClipLimits(**request["limits"])
    data = bytes(channel.read(request["num_bytes"]))
    wall_s = request["wall_s"]
    confine.confine(limits, wall_s, own_bytes)
    try:
        confine.alarm(wall_s)
        if request["want"] == "clip":
            clip = load_clip(data, sampling_from_name(request["sampling"]), limits)
            confine.alarm(0)
            _send_clip(channel, clip)
        else:
            for timed in _each_within(iter_clip_bytes(data, limits), wall_s):
                _send_frame(channel, timed)
            channel.send({"kind": "end"})
    except ClipError as error:
        channel.send({"kind": "error", "code": error.code, **_told(error)})
    except ChannelClosed:
        raise
    except BaseException as error:
        channel.send({"kind": "fault", "what": type(error).__name__})


def _each_within(frames: Iterator[TimedFrame], wall_s: float) -> Iterator[TimedFrame]:
    """Bound the time for each frame, without the time that the reader takes with it."""
    while True:
        confine.alarm(wall_s)
        timed = next(frames, None)
        confine.alarm(0)
        if timed is None:
            return
        yield timed


def _send_clip(channel: Channel, clip: Clip) -> None:
    header: dict[str, Any] = {
        "kind": "clip",
        "shape": clip.frames.shape,
        "source_num_frames": clip.source_num_frames,
        "source_fps": clip.source_fps,
        "duration_s": clip.duration_s,
    }
    times_s = np.ascontiguousarray(clip.times_s, np.float64)
    indices = np.ascontiguousarray(clip.source_indices, np.int64)
    channel.send(header, _bytes_of(times_s), _bytes_of(indices), _bytes_of(clip.frames))


def _send_frame(channel: Channel, timed: TimedFrame) -> None:
    header = {"kind": "frame", "shape": timed.frame.shape, "time_s": float(timed.time_s)}
    channel.send(header, _bytes_of(timed.frame))


def _bytes_of(array: np.ndarray) -> memoryview:
    return np.ascontiguousarray(array).data.cast("B")


def _told(error: ClipError) -> dict[str, Any]:
    return {"message": error.message, "details": error.details}
