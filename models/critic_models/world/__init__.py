"""A rendered world of clips, captions and truths, for training and auditing critics.

A `Premise` says what a shot is about; `compose` makes a `Shot` of it, which is all there is to know
before a pixel is drawn; a `Take` is a shot with defects of known severity; `film` turns it into
frames with the truth of each of them. Deterministic by seed; needs numpy and OpenCV only.
"""

from critic_models.world.alignment import (
    CaptionPair,
    ClipPair,
    sample_caption_pair,
    sample_clip_pair,
)
from critic_models.world.captions import (
    contrasted_slots,
    punctuate,
    sample_caption,
    sample_contrast,
    write_caption,
)
from critic_models.world.catalogue import (
    ACTIONS,
    CRITERIA,
    DEFECTS,
    FILMED,
    MOTION_CRITERIA,
    OVERALL,
    SLOTS,
    STAGED,
    Slot,
    criterion_of,
    defects_of,
)
from critic_models.world.compose import compose
from critic_models.world.facts import Facts, facts_of, wrong_values
from critic_models.world.pairs import (
    Pair,
    sample_ladder,
    sample_pair,
    sample_static_pair,
    sample_tie,
)
from critic_models.world.phrasings import PARTIAL_PHRASINGS
from critic_models.world.recording import Recorded, encode_lightly, record
from critic_models.world.render import Rendered, render_shot
from critic_models.world.sample import sample_shot
from critic_models.world.shot import UNITS, Body, Premise, Shot
from critic_models.world.splits import SPLITS, Split
from critic_models.world.spoil import spoil, suits
from critic_models.world.takes import Clip, Take, film, make_take, sample_take
from critic_models.world.truth import Truth, draw_owners

__all__ = [
    "ACTIONS",
    "CRITERIA",
    "DEFECTS",
    "FILMED",
    "MOTION_CRITERIA",
    "OVERALL",
    "PARTIAL_PHRASINGS",
    "SLOTS",
    "SPLITS",
    "STAGED",
    "UNITS",
    "Body",
    "CaptionPair",
    "Clip",
    "ClipPair",
    "Facts",
    "Pair",
    "Premise",
    "Recorded",
    "Rendered",
    "Shot",
    "Slot",
    "Split",
    "Take",
    "Truth",
    "compose",
    "contrasted_slots",
    "criterion_of",
    "defects_of",
    "draw_owners",
    "encode_lightly",
    "facts_of",
    "film",
    "make_take",
    "punctuate",
    "record",
    "render_shot",
    "sample_caption",
    "sample_caption_pair",
    "sample_clip_pair",
    "sample_contrast",
    "sample_ladder",
    "sample_pair",
    "sample_shot",
    "sample_static_pair",
    "sample_take",
    "sample_tie",
    "spoil",
    "suits",
    "write_caption",
    "wrong_values",
]
