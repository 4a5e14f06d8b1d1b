"""A shot: all there is to know about a clip before a pixel is drawn.

Lengths are in units of 1/128 of the frame's shorter side, `x` to the right and `y` downwards from
the middle of the frame; time runs from 0 to 1 over the clip. So a shot looks alike at every size
and frame rate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from critic_models.world.catalogue import FLOOR_SCENES, Rgb
from critic_models.world.curves import Curve, hold
from critic_models.world.splits import SplitName

UNITS = 128.0

_ZERO, _ONE = hold(0.0), hold(1.0)

Role = Literal["subject", "bystander", "prop"]
SceneChangeKind = Literal["fade", "bend"]


@dataclass(frozen=True)
class Premise:
    """What a shot is about; `compose` makes one shot of it.

    Attributes:
        split: whose looks, variants, colours and patterns are used.
        seed: of everything that the premise leaves open.
        scene: where it happens.
        action: what the subject does.
        noun, colour: of the subject.
        count: subjects that do it together.
        direction: of the action, where it has one.
        relation: of the subject to the first of the others, where they stand in one.
        others: noun and colour of the other objects.
    """

    split: SplitName
    seed: int
    scene: str
    action: str
    noun: str
    colour: str
    count: int = 1
    direction: str | None = None
    relation: str | None = None
    others: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Figure:
    """How a body looks.

    Attributes:
        noun: a noun or a prop.
        variant: of its shape.
        colour: what `rgb` is called; empty for props.
        rgb: of its surface.
        pattern: on its surface.
        seed: of the pattern.
        radius: in units; shapes are drawn in multiples of it.
        extent: half width and half height of a block or pillar, and length of a hand, in radii.
    """

    noun: str
    variant: int
    colour: str
    rgb: Rgb
    pattern: str
    seed: int
    radius: float
    extent: tuple[float, float] = (1.0, 1.0)


@dataclass(frozen=True)
class Body:
    """Something on the stage.

    Attributes:
        figure: how it looks.
        role: in the shot.
        x, y: where its anchor is, in units.
        anchor: the point of the figure, in radii, around which it turns and is stretched.
        depth: bodies of greater depth value are nearer to the camera and cover others.
        angle: in radians, clockwise.
        size: factor of its radius.
        wide, tall: factors of its width and height.
        fold: angle by which its right half is folded over, in radians.
        opacity: 1 for all bodies that obey the laws of nature.
        floor: height of the ground under it, where it throws a shadow.
        flip: whether it faces left.
        rolls: whether light stays in place while it turns.
    """

    figure: Figure
    role: Role
    x: Curve
    y: Curve
    anchor: tuple[float, float] = (0.0, 0.0)
    depth: float = 0.0
    angle: Curve = _ZERO
    size: Curve = _ONE
    wide: Curve = _ONE
    tall: Curve = _ONE
    fold: Curve = _ZERO
    opacity: Curve = _ONE
    floor: Curve | None = None
    flip: bool = False
    rolls: bool = False


@dataclass(frozen=True)
class Camera:
    """Where the camera looks, and how a hand moves it.

    Attributes:
        x, y: middle of its view, in units.
        zoom: natural logarithm of its magnification.
        roll: in radians.
        sway: slow sinusoids of a hand: amplitudes of x, y (units) and roll (radians), cycles over
            the clip, phase.
        tremor: deviation of the small unrest from frame to frame that every hand has, in units.
        seed: of the tremor.
    """

    x: Curve = _ZERO
    y: Curve = _ZERO
    zoom: Curve = _ZERO
    roll: Curve = _ZERO
    sway: tuple[tuple[float, float, float, float, float], ...] = ()
    tremor: float = 0.0
    seed: int = 0


@dataclass(frozen=True)
class Grade:
    """What film and lens make of the picture, none of it a fault.

    Attributes:
        contrast: strength of an S-shaped tone curve; below 0 it flattens.
        gamma: exponent of all channels.
        warmth: added to red and taken from blue, of 255.
        vignette: share of brightness lost in the corners.
        grain: deviation of the grain, of 255.
        defocus: blur of the backdrop behind sharp objects, in units.
        light: direction that light comes from, as an angle in radians.
        seed: of the grain.
    """

    contrast: float
    gamma: float
    warmth: float
    vignette: float
    grain: float
    defocus: float
    light: float
    seed: int


@dataclass(frozen=True)
class Tempo:
    """How time runs for all that moves; all 0 for real time.

    Attributes:
        stillness: share of the motion that is missing; 1 makes a still of the moment `at`.
        haste: 1 packs all motion into a fifth of the clip around `at`.
        stutter: 1 moves everything in `beats` jumps.
    """

    stillness: float = 0.0
    haste: float = 0.0
    stutter: float = 0.0
    at: float = 0.5
    beats: int = 3


@dataclass(frozen=True)
class SubjectChange:
    """A subject that turns into something else.

    Attributes:
        amount: how far, from 0 to 1.
        body: index of the body.
        into: what it turns into.
        begin, end: over which it changes; equal for a switch.
    """

    amount: float
    body: int
    into: Figure
    begin: float
    end: float


@dataclass(frozen=True)
class SceneChange:
    """A backdrop that does not stay what it was.

    Attributes:
        kind: whether it fades into another, or is bent.
        amount: how far, from 0 to 1.
        look, seed: of the other backdrop; the seed alone, of the bending.
        begin, end: over which it changes; equal for a switch.
    """

    kind: SceneChangeKind
    amount: float
    look: str
    seed: int
    begin: float
    end: float


@dataclass(frozen=True)
class Violation:
    """A breach of physics: of which kind, how severe in [0, 1], and the seed of its details."""

    kind: str
    severity: float
    seed: int


@dataclass(frozen=True)
class Shot:
    """Everything that is drawn.

    Attributes:
        premise: what it is about.
        look: of the backdrop.
        backdrop_seed: of the backdrop.
        horizon: where ground begins, in units; meaningless where there is none.
        bodies: subjects first, then bystanders, then props.
        gravity: downward acceleration of whatever falls, in units per clip squared.
        restitution: share of speed that is kept at a bounce or a collision.
        camera, grade, tempo: see there.
        subject_changes, scene_changes: of what should stay as it is.
        severities: of the defects that have been staged, by name; those of physics are in the
            bodies' curves.
    """

    premise: Premise
    look: str
    backdrop_seed: int
    horizon: float
    bodies: tuple[Body, ...]
    gravity: float
    restitution: float
    camera: Camera
    grade: Grade
    tempo: Tempo = Tempo()
    subject_changes: tuple[SubjectChange, ...] = ()
    scene_changes: tuple[SceneChange, ...] = ()
    severities: tuple[tuple[str, float], ...] = ()

    @property
    def on_floor(self) -> bool:
        return self.premise.scene in FLOOR_SCENES

    @property
    def moves(self) -> bool:
        """Whether the action moves anything; a camera may move all the same."""
        return self.premise.action != "rest"
