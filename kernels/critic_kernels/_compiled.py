"""References compiled by torch, for where Triton's own kernels are not wanted."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

# One for every combination of dtype, number of dimensions and optional arguments. torch's own
# limit is 8, and two critics in a process have more.
_MOST_COMPILATIONS = 64


@cache
def compiled(reference: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a reference once for all lengths.

    The result raises what `torch.compile` raises, on a CPU for want of a C++ compiler say.
    """
    import torch
    import torch._dynamo.config as config

    config.recompile_limit = max(config.recompile_limit, _MOST_COMPILATIONS)
    return torch.compile(reference, dynamic=True, fullgraph=True)
