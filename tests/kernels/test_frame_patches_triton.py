"""The Triton kernels: on a GPU where there is one, else in Triton's interpreter."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from critic_kernels.frame_patches import FrameBatch, frame_patches
from critic_kernels.frame_patches.layout import PatchLayout
from critic_kernels.frame_patches.resample import axis
from critic_kernels.frame_patches.tiles import MAX_FRAMES, PATCH_TILES, ROW_TILES, Tile
from frame_oracle import CLIP_MEAN, CLIP_STD, HALF, noise
from hypothesis import given, settings
from hypothesis import strategies as st
from sm90 import Variant

triton = pytest.importorskip("triton", reason="triton is not installed: `make test-kernels`")

from critic_kernels.frame_patches import triton as kernel  # noqa: E402
from critic_kernels.frame_patches.plan import CLIP_FIELDS  # noqa: E402

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
FAMILIES = {14: (CLIP_MEAN, CLIP_STD), 16: (HALF, HALF)}
# The interpreter's time is that of programs, whatever their size.
FAT = Tile(64, 64, 4)
Shape = tuple[int, int, int]
Size = tuple[int, int]

# Up and down, one axis alone, equal sizes, extreme sides, odd and single frames, rows that begin at
# every byte of a word.
SHAPES: list[Shape] = [(3, 70, 101), (2, 56, 40), (1, 64, 64), (1, 9, 200), (2, 150, 3), (1, 1, 1)]
BLOCKS: list[Size] = [(1, 2), (2, 2), (2, 2), (2, 1), (1, 1), (1, 2)]


def sizes_in(blocks: list[Size], patch: int, merge: int = 2) -> list[Size]:
    return [(h * patch * merge, w * patch * merge) for h, w in blocks]


def launch(
    clips: list[torch.Tensor],
    sizes: list[Size],
    patch: int,
    dtype: torch.dtype = torch.float32,
    resample: str = "uint8",
    tiles: tuple[Tile, Tile] = (FAT, FAT),
    temporal: int = 2,
    merge: int = 2,
) -> torch.Tensor:
    """The kernels' patches of clips that lie on the CPU, back on the CPU."""
    mean, std = FAMILIES.get(patch, FAMILIES[14])
    batch = FrameBatch.of(clips).to(DEVICE)
    layout = PatchLayout(patch, temporal, merge)
    return kernel.launch(batch, sizes, layout, mean, std, dtype, resample, *tiles).cpu()


def reference(
    clips: list[torch.Tensor], sizes: list[Size], patch: int, **options: object
) -> torch.Tensor:
    mean, std = FAMILIES.get(patch, FAMILIES[14])
    return frame_patches(clips, sizes, patch_size=patch, mean=mean, std=std, **options)  # type: ignore[arg-type]


@pytest.fixture(autouse=True)
def poison(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Fill new tensors: a row that the kernels forget to write, or read unwritten, is seen."""
    empty = torch.empty

    def poisoned(*size: int, **options: object) -> torch.Tensor:
        tensor = empty(*size, **options)  # type: ignore[call-overload]
        return tensor.fill_(torch.nan if tensor.is_floating_point() else 173)

    with monkeypatch.context() as patched:
        patched.setattr(torch, "empty", poisoned)
        yield


@pytest.mark.parametrize(
    ("patch", "dtype"),
    [(14, torch.float32), (14, torch.bfloat16), (16, torch.bfloat16), (16, torch.float16)],
)
def test_a_ragged_batch_equals_the_reference(patch: int, dtype: torch.dtype) -> None:
    clips, sizes = [noise(*shape) for shape in SHAPES], sizes_in(BLOCKS, patch)
    got = launch(clips, sizes, patch, dtype)
    assert torch.equal(got, reference(clips, sizes, patch, dtype=dtype))


@settings(max_examples=6, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.tuples(st.integers(1, 4), st.integers(1, 40), st.integers(1, 40)),
            st.tuples(st.integers(1, 12), st.integers(1, 12)),
        ),
        min_size=1,
        max_size=3,
    ),
    st.sampled_from([(1, 1, 1), (2, 2, 1), (3, 1, 2), (2, 3, 3)]),
)
def test_any_sizes_and_any_layout(
    items: list[tuple[Shape, Size]], layout: tuple[int, int, int]
) -> None:
    patch, temporal, merge = layout
    clips = [noise(*shape) for shape, _ in items]
    sizes = sizes_in([blocks for _, blocks in items], patch, merge)
    got = launch(clips, sizes, patch, temporal=temporal, merge=merge)
    options = {"temporal_patch_size": temporal, "merge_size": merge}
    assert torch.equal(got, reference(clips, sizes, patch, **options))


@pytest.mark.parametrize(("rows", "patches"), list(zip(ROW_TILES, PATCH_TILES, strict=True)))
def test_every_tile_gives_the_same(rows: Tile, patches: Tile) -> None:
    clips, sizes = [noise(1, 33, 90), noise(1, 28, 28)], [(28, 84), (28, 28)]
    got = launch(clips, sizes, 14, tiles=(rows, patches))
    assert torch.equal(got, reference(clips, sizes, 14))


def test_a_clip_does_not_depend_on_its_neighbours() -> None:
    clips, sizes = [noise(*shape) for shape in SHAPES[:3]], sizes_in(BLOCKS[:3], 14)
    alone = [launch([c], [s], 14) for c, s in zip(clips, sizes, strict=True)]
    assert torch.equal(launch(clips[::-1], sizes[::-1], 14), torch.cat(alone[::-1]))


def test_a_filter_of_hundreds_of_taps() -> None:
    """Precision at its limit of 22 bits, and many trips of the loop over taps."""
    clips, sizes = [noise(1, 5, 4400)], [(28, 28)]
    along = axis(4400, 28, "uint8")
    assert (along.taps > 600, along.shift) == (True, 22)
    got = launch(clips, sizes, 14, tiles=(Tile(8, 32, 4), Tile(32, 32, 4)))
    assert torch.equal(got, reference(clips, sizes, 14))


MUTANTS = {
    "no antialias": lambda x, s: F.interpolate(x, s, mode="bicubic"),
    "bilinear": lambda x, s: F.interpolate(x, s, mode="bilinear", antialias=True),
    "no rounding between the passes": lambda x, s: (
        F.interpolate(x.double(), s, mode="bicubic", antialias=True).clamp(0, 255).round()
    ),
    "height before width": lambda x, s: (
        F.interpolate(x.mT.contiguous(), s[::-1], mode="bicubic", antialias=True).mT
    ),
    "another pixel": lambda x, s: F.interpolate(
        x.roll(1, dims=3), s, mode="bicubic", antialias=True
    ),
    "another channel": lambda x, s: F.interpolate(x.flip(1), s, mode="bicubic", antialias=True),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_wrong_pixels_are_caught(mutant: str) -> None:
    clip, size = noise(2, 70, 101), (64, 64)
    wrong = MUTANTS[mutant](clip.permute(0, 3, 1, 2), size).permute(0, 2, 3, 1).to(torch.uint8)
    got = launch([clip], [size], 16)
    assert torch.equal(got, reference([clip], [size], 16))
    assert not torch.equal(got, reference([wrong.contiguous()], [size], 16))


@pytest.mark.parametrize(
    "wrong", [{"merge_size": 1}, {"temporal_patch_size": 1}, {"patch_size": 8}]
)
def test_wrong_orders_are_caught(wrong: dict[str, int]) -> None:
    clip, size = noise(2, 64, 64), (64, 64)
    options = {"patch_size": 16, "merge_size": 2, "temporal_patch_size": 2, "mean": HALF}
    other = frame_patches([clip], [size], std=HALF, **{**options, **wrong})  # type: ignore[arg-type]
    got = launch([clip], [size], 16)
    assert torch.equal(got.flatten().sort().values, other.flatten().sort().values)
    assert not torch.equal(got.flatten(), other.flatten())


def levels_of(patches: torch.Tensor) -> np.ndarray:
    """The levels that patches of mean and deviation one half were made of."""
    levels = patches.double().numpy() * 127.5 + 127.5
    assert np.abs(levels - levels.round()).max() < 128 * 2**-22, "rounded twice in float32"
    return levels.round()


def rows_of_planes(planes: torch.Tensor) -> np.ndarray:
    """`[T, 3, h, w]` in the order of patches of 16, T even."""
    t, _, h, w = planes.shape
    rows = planes.view(t // 2, 2, 3, h // 32, 2, 16, w // 32, 2, 16)
    return rows.permute(0, 3, 6, 4, 7, 2, 1, 5, 8).reshape(-1, 1536).double().numpy()


@pytest.mark.parametrize(
    ("shape", "size"), [((2, 70, 101), (64, 64)), ((2, 20, 33), (64, 96)), ((2, 300, 64), (32, 64))]
)
def test_float_rounds_the_value_of_fp64(shape: Shape, size: Size) -> None:
    clip = noise(*shape)
    images = clip.permute(0, 3, 1, 2)

    def resized(dtype: torch.dtype, antialias: bool = True) -> np.ndarray:
        planes = F.interpolate(images.to(dtype), size, mode="bicubic", antialias=antialias)
        return rows_of_planes(planes.clamp(0, 255))

    exact, torch_float = resized(torch.float64), resized(torch.float32)
    got = levels_of(launch([clip], [size], 16, resample="float"))
    across, down = axis(shape[2], size[1], "float"), axis(shape[1], size[0], "float")
    gain = np.abs(across.weights).sum(0).max() * np.abs(down.weights).sum(0).max()
    # A rounding of each weight, product and sum, in both passes (Higham, 2002, section 3.1).
    bound = (2 * across.taps + 2 * down.taps + 2) * 2**-24 * 255 * gain
    assert np.abs(got - exact).max() <= 0.5 + bound
    # Where torch's float path has another level, the value is halfway within the error of either.
    other = got != np.round(torch_float)
    doubt = np.abs(exact - np.floor(exact) - 0.5)
    assert doubt[other].max(initial=0) <= max(bound, np.abs(torch_float - exact).max())
    no_antialias, fixed = resized(torch.float64, False), reference([clip], [size], 16)
    for mutant in (no_antialias, levels_of(fixed)):
        assert np.abs(mutant - exact).max() > 0.5 + bound


def test_equal_sizes_are_not_resampled() -> None:
    clip = noise(2, 64, 96)
    for resample in ("uint8", "float"):
        got = launch([clip], [(64, 96)], 16, resample=resample)
        assert torch.equal(got, reference([clip], [(64, 96)], 16))


def test_no_clips_make_no_patches() -> None:
    assert launch([], [], 14).shape == (0, 1176)


def test_too_long_a_clip_is_refused() -> None:
    clip = torch.zeros(1, 1, 1, 3, dtype=torch.uint8).expand(MAX_FRAMES + 1, -1, -1, -1)
    with pytest.raises(ValueError, match=f"{MAX_FRAMES} frames at most"):
        launch([clip], [(28, 28)], 14)


def test_pixels_on_a_cpu_need_the_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton.knobs.runtime, "interpret", False)
    clip = noise(2, 32, 32)
    with pytest.raises(ValueError, match="on a GPU, or TRITON_INTERPRET=1: they are on cpu"):
        reference([clip], [(32, 32)], 16, impl="triton")


@pytest.mark.gpu
@pytest.mark.skipif(DEVICE == "cpu", reason="needs a CUDA device")
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("patch", FAMILIES)
def test_real_sizes_on_a_gpu(patch: int, dtype: torch.dtype) -> None:
    clips = [noise(5, 720, 1280), noise(2, 2160, 3840), noise(3, 854, 480), noise(1, 448, 448)]
    sizes = sizes_in([(24, 42), (16, 28), (28, 16), (16, 16)], patch)
    expected = reference(clips, sizes, patch, dtype=dtype)
    batch = FrameBatch.of(clips, pin_memory=True).to(DEVICE, non_blocking=True)
    for impl in ("triton", "reference"):
        got = frame_patches(
            batch,
            sizes,
            patch_size=patch,
            mean=FAMILIES[patch][0],
            std=FAMILIES[patch][1],
            dtype=dtype,
            impl=impl,  # type: ignore[arg-type]
        )
        assert torch.equal(got.cpu(), expected), impl


def variants() -> list[Variant]:
    """Every way in which a launch compiles the kernels: tiles, dtypes, patch sizes, resampling."""
    found = []
    for resample, scratch in (("uint8", "*u8"), ("float", "*fp32")):
        common = {"FIELDS": len(CLIP_FIELDS), "FIXED": resample == "uint8"}
        tables = {"tables": "*i32", "clips": "*i64"}
        for tile in ROW_TILES:
            found.append(
                Variant(
                    f"{resample}-{tile}",
                    kernel.resample_rows_kernel,
                    {"words": "*u32", "scratch": scratch, **tables},
                    {**common, "ROWS": tile.rows, "COLUMNS": tile.columns},
                    {"num_warps": tile.num_warps},
                    ["words", "tables", "clips", "scratch"],
                )
            )
        # The first tile in every dtype; the others, which differ little, in the one that is served.
        dtypes = {"bf16": PATCH_TILES, "fp16": PATCH_TILES[:1]}
        dtypes["fp32"] = PATCH_TILES[:1]
        for dtype, patch, tile in [
            (dtype, patch, tile)
            for dtype, tiles in dtypes.items()
            for patch in FAMILIES
            for tile in tiles
        ]:
            found.append(
                Variant(
                    f"{resample}-{dtype}-p{patch}-{tile}",
                    kernel.resample_columns_kernel,
                    {"scratch": scratch, "levels": f"*{dtype}", "out": f"*{dtype}", **tables},
                    {
                        **common,
                        "PATCH": patch,
                        "TEMPORAL": 2,
                        "MERGE": 2,
                        "ROWS": tile.rows,
                        "COLUMNS": tile.columns,
                    },
                    {"num_warps": tile.num_warps},
                    ["scratch", "tables", "clips", "levels", "out"],
                )
            )
    return found
