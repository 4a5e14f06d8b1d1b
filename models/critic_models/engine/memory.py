"""Memory that runs out on the engine's device: how it shows, and what is told of it."""

from __future__ import annotations

from collections.abc import Callable

import torch

from critic_models.engine.work import WorkItem
from critic_models.errors import OutOfMemory

# Bare RuntimeErrors: of torch's allocator on a CPU, of a CUDA library, of cuBLAS for its workspace.
_SIGNS = (
    "can't allocate memory",
    "not enough memory",
    "out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error of a forward means that an allocation failed."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def too_large(item: WorkItem, device: torch.device) -> OutOfMemory:
    """Describe an item that does not fit alone, and what would."""
    visual = sum(clip.num_tokens for clip in item.clips)
    questions = sum(len(branch.ids) for branch in item.branches)
    return OutOfMemory(
        f"{len(item.branches)} questions about {len(item.clips)} "
        f"clip{'s' if len(item.clips) > 1 else ''} do not fit in the memory of {device}, even "
        f"alone: {visual} visual tokens and {questions} tokens of questions; ask fewer questions "
        "at a time, or send a shorter or smaller clip",
        device=str(device),
        visual_tokens=visual,
        question_tokens=questions,
    )


def release(device: torch.device) -> None:
    """Give back what an interrupted forward left behind."""
    if device.type == "cuda":
        torch.cuda.empty_cache()


def peak_bytes(device: torch.device, run: Callable[[], object]) -> int:
    """Run a function; return how much memory of a CUDA device it took above what was taken."""
    torch.cuda.synchronize(device)
    before = torch.cuda.memory_allocated(device)
    torch.cuda.reset_peak_memory_stats(device)
    run()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before
