"""What can go wrong while a clip is judged, as one tree.

    CriticError                     base; has a stable `code`, a message and `details`
    ├── InputError                  the caller's fault: retrying the same input cannot help
    │   ├── ClipError               one clip cannot be used
    │   │   ├── ClipUnreadable      not a video, truncated, or a codec this build lacks
    │   │   ├── ClipEmpty           no bytes, or no frame could be decoded
    │   │   └── ClipTooLarge        a named limit was exceeded
    │   ├── PromptError             the prompt is missing, too long or not text
    │   └── UnknownName             a critic, criterion or dimension that does not exist
    ├── NotAnswered                 the critic put too little probability on its answer tokens
    ├── CheckpointError             a checkpoint is incomplete, unsafe or of an unknown kind
    └── EngineError                 a forward failed; `retryable` says whether again may help
        └── OutOfMemory             one item does not fit on the device, even alone

Every error carries facts for a machine in `details` and a sentence for a person that says what was
wrong and what is allowed. A door maps the classes to its own status codes in one table.
"""

from __future__ import annotations

from typing import Any, ClassVar


class CriticError(Exception):
    """Base of every error that this package raises on purpose."""

    code: ClassVar[str] = "critic_error"
    retryable: ClassVar[bool] = False

    def __init__(self, message: str, **details: Any) -> None:
        super().__init__(message)
        self.message = message
        self.details = details


class InputError(CriticError):
    """The caller sent something that cannot be judged."""

    code = "bad_input"


class ClipError(InputError):
    """One clip cannot be used."""

    code = "bad_clip"


class ClipUnreadable(ClipError):
    """The bytes are not a video that this build can decode."""

    code = "clip_unreadable"


class ClipEmpty(ClipError):
    """There were no bytes, or no frame came out of them."""

    code = "clip_empty"


class ClipTooLarge(ClipError):
    """A limit of `critic_models.video.limits` was exceeded; `details` has its name and value."""

    code = "clip_too_large"


class PromptError(InputError):
    """The prompt is missing where a criterion needs one, too long, or not text."""

    code = "bad_prompt"


class UnknownName(InputError):
    """A critic, criterion, checklist or dimension that does not exist here."""

    code = "unknown_name"


class NotAnswered(CriticError):
    """The critic put less probability on its answer tokens than the readout accepts."""

    code = "not_answered"


class CheckpointError(CriticError):
    """A checkpoint is incomplete, not safe to load, or of an unknown kind."""

    code = "bad_checkpoint"


class EngineError(CriticError):
    """A forward failed for a reason that is not the input's."""

    code = "engine_error"
    retryable = True


class OutOfMemory(EngineError):
    """One item does not fit on the device, even alone; the same item again cannot help."""

    code = "out_of_memory"
    retryable = False
