# ruff: noqa
# fmt: off
from google.protobuf import struct_pb2 as _struct_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from collections.abc import Iterable as _Iterable, Mapping as _Mapping
from typing import ClassVar as _ClassVar, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class ClipRef(_message.Message):
    __slots__ = ("part", "video", "frames", "clip_id")
    PART_FIELD_NUMBER: _ClassVar[int]
    VIDEO_FIELD_NUMBER: _ClassVar[int]
    FRAMES_FIELD_NUMBER: _ClassVar[int]
    CLIP_ID_FIELD_NUMBER: _ClassVar[int]
    part: str
    video: bytes
    frames: bytes
    clip_id: str
    def __init__(self, part: _Optional[str] = ..., video: _Optional[bytes] = ..., frames: _Optional[bytes] = ..., clip_id: _Optional[str] = ...) -> None: ...

class Part(_message.Message):
    __slots__ = ("content", "is_frames")
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    IS_FRAMES_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    is_frames: bool
    def __init__(self, content: _Optional[bytes] = ..., is_frames: _Optional[bool] = ...) -> None: ...

class RewardSpec(_message.Message):
    __slots__ = ("weights",)
    class WeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    weights: _containers.ScalarMap[str, float]
    def __init__(self, weights: _Optional[_Mapping[str, float]] = ...) -> None: ...

class Auxiliary(_message.Message):
    __slots__ = ("object", "color", "appearance_style", "scene", "human_action", "spatial_relationship", "questions", "judge")
    OBJECT_FIELD_NUMBER: _ClassVar[int]
    COLOR_FIELD_NUMBER: _ClassVar[int]
    APPEARANCE_STYLE_FIELD_NUMBER: _ClassVar[int]
    SCENE_FIELD_NUMBER: _ClassVar[int]
    HUMAN_ACTION_FIELD_NUMBER: _ClassVar[int]
    SPATIAL_RELATIONSHIP_FIELD_NUMBER: _ClassVar[int]
    QUESTIONS_FIELD_NUMBER: _ClassVar[int]
    JUDGE_FIELD_NUMBER: _ClassVar[int]
    object: str
    color: str
    appearance_style: str
    scene: str
    human_action: str
    spatial_relationship: SpatialRelationship
    questions: _containers.RepeatedScalarFieldContainer[str]
    judge: _containers.RepeatedScalarFieldContainer[bool]
    def __init__(self, object: _Optional[str] = ..., color: _Optional[str] = ..., appearance_style: _Optional[str] = ..., scene: _Optional[str] = ..., human_action: _Optional[str] = ..., spatial_relationship: _Optional[_Union[SpatialRelationship, _Mapping]] = ..., questions: _Optional[_Iterable[str]] = ..., judge: _Optional[_Iterable[bool]] = ...) -> None: ...

class SpatialRelationship(_message.Message):
    __slots__ = ("object_a", "object_b", "relationship")
    OBJECT_A_FIELD_NUMBER: _ClassVar[int]
    OBJECT_B_FIELD_NUMBER: _ClassVar[int]
    RELATIONSHIP_FIELD_NUMBER: _ClassVar[int]
    object_a: str
    object_b: str
    relationship: str
    def __init__(self, object_a: _Optional[str] = ..., object_b: _Optional[str] = ..., relationship: _Optional[str] = ...) -> None: ...

class ScoreItem(_message.Message):
    __slots__ = ("clip", "prompt", "auxiliary")
    CLIP_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    AUXILIARY_FIELD_NUMBER: _ClassVar[int]
    clip: ClipRef
    prompt: str
    auxiliary: Auxiliary
    def __init__(self, clip: _Optional[_Union[ClipRef, _Mapping]] = ..., prompt: _Optional[str] = ..., auxiliary: _Optional[_Union[Auxiliary, _Mapping]] = ...) -> None: ...

class ScoreRequest(_message.Message):
    __slots__ = ("items", "critic", "criteria", "reward", "dimensions", "parts")
    class PartsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Part
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Part, _Mapping]] = ...) -> None: ...
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    CRITIC_FIELD_NUMBER: _ClassVar[int]
    CRITERIA_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[ScoreItem]
    critic: str
    criteria: _containers.RepeatedScalarFieldContainer[str]
    reward: RewardSpec
    dimensions: _containers.RepeatedScalarFieldContainer[str]
    parts: _containers.MessageMap[str, Part]
    def __init__(self, items: _Optional[_Iterable[_Union[ScoreItem, _Mapping]]] = ..., critic: _Optional[str] = ..., criteria: _Optional[_Iterable[str]] = ..., reward: _Optional[_Union[RewardSpec, _Mapping]] = ..., dimensions: _Optional[_Iterable[str]] = ..., parts: _Optional[_Mapping[str, Part]] = ...) -> None: ...

class PairItem(_message.Message):
    __slots__ = ("a", "b", "prompt")
    A_FIELD_NUMBER: _ClassVar[int]
    B_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    a: ClipRef
    b: ClipRef
    prompt: str
    def __init__(self, a: _Optional[_Union[ClipRef, _Mapping]] = ..., b: _Optional[_Union[ClipRef, _Mapping]] = ..., prompt: _Optional[str] = ...) -> None: ...

class CompareRequest(_message.Message):
    __slots__ = ("pairs", "critic", "criteria", "method", "parts")
    class PartsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Part
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Part, _Mapping]] = ...) -> None: ...
    PAIRS_FIELD_NUMBER: _ClassVar[int]
    CRITIC_FIELD_NUMBER: _ClassVar[int]
    CRITERIA_FIELD_NUMBER: _ClassVar[int]
    METHOD_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    pairs: _containers.RepeatedCompositeFieldContainer[PairItem]
    critic: str
    criteria: _containers.RepeatedScalarFieldContainer[str]
    method: str
    parts: _containers.MessageMap[str, Part]
    def __init__(self, pairs: _Optional[_Iterable[_Union[PairItem, _Mapping]]] = ..., critic: _Optional[str] = ..., criteria: _Optional[_Iterable[str]] = ..., method: _Optional[str] = ..., parts: _Optional[_Mapping[str, Part]] = ...) -> None: ...

class RankRequest(_message.Message):
    __slots__ = ("clips", "prompt", "critic", "criteria", "reward", "dimensions", "auxiliary", "parts")
    class PartsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Part
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Part, _Mapping]] = ...) -> None: ...
    CLIPS_FIELD_NUMBER: _ClassVar[int]
    PROMPT_FIELD_NUMBER: _ClassVar[int]
    CRITIC_FIELD_NUMBER: _ClassVar[int]
    CRITERIA_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    AUXILIARY_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    clips: _containers.RepeatedCompositeFieldContainer[ClipRef]
    prompt: str
    critic: str
    criteria: _containers.RepeatedScalarFieldContainer[str]
    reward: RewardSpec
    dimensions: _containers.RepeatedScalarFieldContainer[str]
    auxiliary: Auxiliary
    parts: _containers.MessageMap[str, Part]
    def __init__(self, clips: _Optional[_Iterable[_Union[ClipRef, _Mapping]]] = ..., prompt: _Optional[str] = ..., critic: _Optional[str] = ..., criteria: _Optional[_Iterable[str]] = ..., reward: _Optional[_Union[RewardSpec, _Mapping]] = ..., dimensions: _Optional[_Iterable[str]] = ..., auxiliary: _Optional[_Union[Auxiliary, _Mapping]] = ..., parts: _Optional[_Mapping[str, Part]] = ...) -> None: ...

class DimensionsRequest(_message.Message):
    __slots__ = ("clips", "dimensions", "items", "split", "parts")
    class PartsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Part
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Part, _Mapping]] = ...) -> None: ...
    CLIPS_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    SPLIT_FIELD_NUMBER: _ClassVar[int]
    PARTS_FIELD_NUMBER: _ClassVar[int]
    clips: _containers.RepeatedCompositeFieldContainer[ClipRef]
    dimensions: _containers.RepeatedScalarFieldContainer[str]
    items: _containers.RepeatedCompositeFieldContainer[ScoreItem]
    split: str
    parts: _containers.MessageMap[str, Part]
    def __init__(self, clips: _Optional[_Iterable[_Union[ClipRef, _Mapping]]] = ..., dimensions: _Optional[_Iterable[str]] = ..., items: _Optional[_Iterable[_Union[ScoreItem, _Mapping]]] = ..., split: _Optional[str] = ..., parts: _Optional[_Mapping[str, Part]] = ...) -> None: ...

class PromptItem(_message.Message):
    __slots__ = ("query", "optimised_prompt")
    QUERY_FIELD_NUMBER: _ClassVar[int]
    OPTIMISED_PROMPT_FIELD_NUMBER: _ClassVar[int]
    query: str
    optimised_prompt: str
    def __init__(self, query: _Optional[str] = ..., optimised_prompt: _Optional[str] = ...) -> None: ...

class PromptsRequest(_message.Message):
    __slots__ = ("items", "principles", "judge")
    ITEMS_FIELD_NUMBER: _ClassVar[int]
    PRINCIPLES_FIELD_NUMBER: _ClassVar[int]
    JUDGE_FIELD_NUMBER: _ClassVar[int]
    items: _containers.RepeatedCompositeFieldContainer[PromptItem]
    principles: _containers.RepeatedScalarFieldContainer[str]
    judge: str
    def __init__(self, items: _Optional[_Iterable[_Union[PromptItem, _Mapping]]] = ..., principles: _Optional[_Iterable[str]] = ..., judge: _Optional[str] = ...) -> None: ...

class InfoRequest(_message.Message):
    __slots__ = ()
    def __init__(self) -> None: ...

class ClipChunk(_message.Message):
    __slots__ = ("content",)
    CONTENT_FIELD_NUMBER: _ClassVar[int]
    content: bytes
    def __init__(self, content: _Optional[bytes] = ...) -> None: ...

class Reason(_message.Message):
    __slots__ = ("code", "message", "details")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    details: _struct_pb2.Struct
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., details: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ...) -> None: ...

class Score(_message.Message):
    __slots__ = ("raw", "value", "read_from", "probabilities", "answer_mass", "reason", "p_yes", "accepted")
    class ProbabilitiesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    RAW_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    READ_FROM_FIELD_NUMBER: _ClassVar[int]
    PROBABILITIES_FIELD_NUMBER: _ClassVar[int]
    ANSWER_MASS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    P_YES_FIELD_NUMBER: _ClassVar[int]
    ACCEPTED_FIELD_NUMBER: _ClassVar[int]
    raw: float
    value: float
    read_from: str
    probabilities: _containers.ScalarMap[str, float]
    answer_mass: float
    reason: Reason
    p_yes: float
    accepted: bool
    def __init__(self, raw: _Optional[float] = ..., value: _Optional[float] = ..., read_from: _Optional[str] = ..., probabilities: _Optional[_Mapping[str, float]] = ..., answer_mass: _Optional[float] = ..., reason: _Optional[_Union[Reason, _Mapping]] = ..., p_yes: _Optional[float] = ..., accepted: _Optional[bool] = ...) -> None: ...

class Fingerprint(_message.Message):
    __slots__ = ("id", "critic", "revision", "template", "sampling", "positions", "calibration", "dtype", "device", "attention", "versions")
    class VersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    ID_FIELD_NUMBER: _ClassVar[int]
    CRITIC_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    TEMPLATE_FIELD_NUMBER: _ClassVar[int]
    SAMPLING_FIELD_NUMBER: _ClassVar[int]
    POSITIONS_FIELD_NUMBER: _ClassVar[int]
    CALIBRATION_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    DEVICE_FIELD_NUMBER: _ClassVar[int]
    ATTENTION_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    id: str
    critic: str
    revision: str
    template: str
    sampling: str
    positions: str
    calibration: str
    dtype: str
    device: str
    attention: str
    versions: _containers.ScalarMap[str, str]
    def __init__(self, id: _Optional[str] = ..., critic: _Optional[str] = ..., revision: _Optional[str] = ..., template: _Optional[str] = ..., sampling: _Optional[str] = ..., positions: _Optional[str] = ..., calibration: _Optional[str] = ..., dtype: _Optional[str] = ..., device: _Optional[str] = ..., attention: _Optional[str] = ..., versions: _Optional[_Mapping[str, str]] = ...) -> None: ...

class Series(_message.Message):
    __slots__ = ("values",)
    VALUES_FIELD_NUMBER: _ClassVar[int]
    values: _containers.RepeatedScalarFieldContainer[float]
    def __init__(self, values: _Optional[_Iterable[float]] = ...) -> None: ...

class Dimension(_message.Message):
    __slots__ = ("raw", "value", "per_frame", "num_frames", "reason", "continuous")
    RAW_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    PER_FRAME_FIELD_NUMBER: _ClassVar[int]
    NUM_FRAMES_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    CONTINUOUS_FIELD_NUMBER: _ClassVar[int]
    raw: float
    value: float
    per_frame: Series
    num_frames: int
    reason: Reason
    continuous: float
    def __init__(self, raw: _Optional[float] = ..., value: _Optional[float] = ..., per_frame: _Optional[_Union[Series, _Mapping]] = ..., num_frames: _Optional[int] = ..., reason: _Optional[_Union[Reason, _Mapping]] = ..., continuous: _Optional[float] = ...) -> None: ...

class ScoreResult(_message.Message):
    __slots__ = ("index", "clip_id", "scores", "reward", "reason", "dimensions")
    class ScoresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Score
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Score, _Mapping]] = ...) -> None: ...
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Dimension
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Dimension, _Mapping]] = ...) -> None: ...
    INDEX_FIELD_NUMBER: _ClassVar[int]
    CLIP_ID_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    index: int
    clip_id: str
    scores: _containers.MessageMap[str, Score]
    reward: float
    reason: Reason
    dimensions: _containers.MessageMap[str, Dimension]
    def __init__(self, index: _Optional[int] = ..., clip_id: _Optional[str] = ..., scores: _Optional[_Mapping[str, Score]] = ..., reward: _Optional[float] = ..., reason: _Optional[_Union[Reason, _Mapping]] = ..., dimensions: _Optional[_Mapping[str, Dimension]] = ...) -> None: ...

class ScoreResponse(_message.Message):
    __slots__ = ("request_id", "critic", "results", "reward_weights", "fingerprint")
    class RewardWeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CRITIC_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    REWARD_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    critic: str
    results: _containers.RepeatedCompositeFieldContainer[ScoreResult]
    reward_weights: _containers.ScalarMap[str, float]
    fingerprint: Fingerprint
    def __init__(self, request_id: _Optional[str] = ..., critic: _Optional[str] = ..., results: _Optional[_Iterable[_Union[ScoreResult, _Mapping]]] = ..., reward_weights: _Optional[_Mapping[str, float]] = ..., fingerprint: _Optional[_Union[Fingerprint, _Mapping]] = ...) -> None: ...

class Preference(_message.Message):
    __slots__ = ("p_win", "p_tie", "p_lose", "preferred", "order_consistency", "read_from", "answer_mass", "reason")
    P_WIN_FIELD_NUMBER: _ClassVar[int]
    P_TIE_FIELD_NUMBER: _ClassVar[int]
    P_LOSE_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_FIELD_NUMBER: _ClassVar[int]
    ORDER_CONSISTENCY_FIELD_NUMBER: _ClassVar[int]
    READ_FROM_FIELD_NUMBER: _ClassVar[int]
    ANSWER_MASS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    p_win: float
    p_tie: float
    p_lose: float
    preferred: str
    order_consistency: float
    read_from: str
    answer_mass: float
    reason: Reason
    def __init__(self, p_win: _Optional[float] = ..., p_tie: _Optional[float] = ..., p_lose: _Optional[float] = ..., preferred: _Optional[str] = ..., order_consistency: _Optional[float] = ..., read_from: _Optional[str] = ..., answer_mass: _Optional[float] = ..., reason: _Optional[_Union[Reason, _Mapping]] = ...) -> None: ...

class CompareResult(_message.Message):
    __slots__ = ("index", "clip_id_a", "clip_id_b", "preferences", "preferred", "reason")
    class PreferencesEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Preference
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Preference, _Mapping]] = ...) -> None: ...
    INDEX_FIELD_NUMBER: _ClassVar[int]
    CLIP_ID_A_FIELD_NUMBER: _ClassVar[int]
    CLIP_ID_B_FIELD_NUMBER: _ClassVar[int]
    PREFERENCES_FIELD_NUMBER: _ClassVar[int]
    PREFERRED_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    index: int
    clip_id_a: str
    clip_id_b: str
    preferences: _containers.MessageMap[str, Preference]
    preferred: str
    reason: Reason
    def __init__(self, index: _Optional[int] = ..., clip_id_a: _Optional[str] = ..., clip_id_b: _Optional[str] = ..., preferences: _Optional[_Mapping[str, Preference]] = ..., preferred: _Optional[str] = ..., reason: _Optional[_Union[Reason, _Mapping]] = ...) -> None: ...

class CompareResponse(_message.Message):
    __slots__ = ("request_id", "critic", "results", "fingerprint")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CRITIC_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    critic: str
    results: _containers.RepeatedCompositeFieldContainer[CompareResult]
    fingerprint: Fingerprint
    def __init__(self, request_id: _Optional[str] = ..., critic: _Optional[str] = ..., results: _Optional[_Iterable[_Union[CompareResult, _Mapping]]] = ..., fingerprint: _Optional[_Union[Fingerprint, _Mapping]] = ...) -> None: ...

class RankResult(_message.Message):
    __slots__ = ("index", "clip_id", "scores", "reward", "rank", "advantage", "reason", "dimensions")
    class ScoresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Score
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Score, _Mapping]] = ...) -> None: ...
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Dimension
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Dimension, _Mapping]] = ...) -> None: ...
    INDEX_FIELD_NUMBER: _ClassVar[int]
    CLIP_ID_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    REWARD_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    ADVANTAGE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    index: int
    clip_id: str
    scores: _containers.MessageMap[str, Score]
    reward: float
    rank: int
    advantage: float
    reason: Reason
    dimensions: _containers.MessageMap[str, Dimension]
    def __init__(self, index: _Optional[int] = ..., clip_id: _Optional[str] = ..., scores: _Optional[_Mapping[str, Score]] = ..., reward: _Optional[float] = ..., rank: _Optional[int] = ..., advantage: _Optional[float] = ..., reason: _Optional[_Union[Reason, _Mapping]] = ..., dimensions: _Optional[_Mapping[str, Dimension]] = ...) -> None: ...

class RankResponse(_message.Message):
    __slots__ = ("request_id", "critic", "results", "best", "worst", "reward_mean", "reward_std", "reward_weights", "fingerprint")
    class RewardWeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CRITIC_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    BEST_FIELD_NUMBER: _ClassVar[int]
    WORST_FIELD_NUMBER: _ClassVar[int]
    REWARD_MEAN_FIELD_NUMBER: _ClassVar[int]
    REWARD_STD_FIELD_NUMBER: _ClassVar[int]
    REWARD_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    critic: str
    results: _containers.RepeatedCompositeFieldContainer[RankResult]
    best: int
    worst: int
    reward_mean: float
    reward_std: float
    reward_weights: _containers.ScalarMap[str, float]
    fingerprint: Fingerprint
    def __init__(self, request_id: _Optional[str] = ..., critic: _Optional[str] = ..., results: _Optional[_Iterable[_Union[RankResult, _Mapping]]] = ..., best: _Optional[int] = ..., worst: _Optional[int] = ..., reward_mean: _Optional[float] = ..., reward_std: _Optional[float] = ..., reward_weights: _Optional[_Mapping[str, float]] = ..., fingerprint: _Optional[_Union[Fingerprint, _Mapping]] = ...) -> None: ...

class DimensionsResult(_message.Message):
    __slots__ = ("index", "clip_id", "dimensions", "reason")
    class DimensionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Dimension
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Dimension, _Mapping]] = ...) -> None: ...
    INDEX_FIELD_NUMBER: _ClassVar[int]
    CLIP_ID_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    index: int
    clip_id: str
    dimensions: _containers.MessageMap[str, Dimension]
    reason: Reason
    def __init__(self, index: _Optional[int] = ..., clip_id: _Optional[str] = ..., dimensions: _Optional[_Mapping[str, Dimension]] = ..., reason: _Optional[_Union[Reason, _Mapping]] = ...) -> None: ...

class DimensionsResponse(_message.Message):
    __slots__ = ("request_id", "results", "versions")
    class VersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    results: _containers.RepeatedCompositeFieldContainer[DimensionsResult]
    versions: _containers.ScalarMap[str, str]
    def __init__(self, request_id: _Optional[str] = ..., results: _Optional[_Iterable[_Union[DimensionsResult, _Mapping]]] = ..., versions: _Optional[_Mapping[str, str]] = ...) -> None: ...

class PromptCheck(_message.Message):
    __slots__ = ("passed", "value", "found", "reason")
    PASSED_FIELD_NUMBER: _ClassVar[int]
    VALUE_FIELD_NUMBER: _ClassVar[int]
    FOUND_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    passed: bool
    value: float
    found: _containers.RepeatedScalarFieldContainer[str]
    reason: Reason
    def __init__(self, passed: _Optional[bool] = ..., value: _Optional[float] = ..., found: _Optional[_Iterable[str]] = ..., reason: _Optional[_Union[Reason, _Mapping]] = ...) -> None: ...

class PromptResult(_message.Message):
    __slots__ = ("index", "scores", "checks", "passes_checks")
    class ScoresEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: Score
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[Score, _Mapping]] = ...) -> None: ...
    class ChecksEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: PromptCheck
        def __init__(self, key: _Optional[str] = ..., value: _Optional[_Union[PromptCheck, _Mapping]] = ...) -> None: ...
    INDEX_FIELD_NUMBER: _ClassVar[int]
    SCORES_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    PASSES_CHECKS_FIELD_NUMBER: _ClassVar[int]
    index: int
    scores: _containers.MessageMap[str, Score]
    checks: _containers.MessageMap[str, PromptCheck]
    passes_checks: bool
    def __init__(self, index: _Optional[int] = ..., scores: _Optional[_Mapping[str, Score]] = ..., checks: _Optional[_Mapping[str, PromptCheck]] = ..., passes_checks: _Optional[bool] = ...) -> None: ...

class PromptJudge(_message.Message):
    __slots__ = ("id", "kind", "model", "questions", "checks", "fingerprint")
    ID_FIELD_NUMBER: _ClassVar[int]
    KIND_FIELD_NUMBER: _ClassVar[int]
    MODEL_FIELD_NUMBER: _ClassVar[int]
    QUESTIONS_FIELD_NUMBER: _ClassVar[int]
    CHECKS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    id: str
    kind: str
    model: str
    questions: str
    checks: str
    fingerprint: Fingerprint
    def __init__(self, id: _Optional[str] = ..., kind: _Optional[str] = ..., model: _Optional[str] = ..., questions: _Optional[str] = ..., checks: _Optional[str] = ..., fingerprint: _Optional[_Union[Fingerprint, _Mapping]] = ...) -> None: ...

class PromptsResponse(_message.Message):
    __slots__ = ("request_id", "judge", "results")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    JUDGE_FIELD_NUMBER: _ClassVar[int]
    RESULTS_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    judge: PromptJudge
    results: _containers.RepeatedCompositeFieldContainer[PromptResult]
    def __init__(self, request_id: _Optional[str] = ..., judge: _Optional[_Union[PromptJudge, _Mapping]] = ..., results: _Optional[_Iterable[_Union[PromptResult, _Mapping]]] = ...) -> None: ...

class CriterionInfo(_message.Message):
    __slots__ = ("name", "question", "read_from", "needs_prompt", "default")
    NAME_FIELD_NUMBER: _ClassVar[int]
    QUESTION_FIELD_NUMBER: _ClassVar[int]
    READ_FROM_FIELD_NUMBER: _ClassVar[int]
    NEEDS_PROMPT_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_FIELD_NUMBER: _ClassVar[int]
    name: str
    question: str
    read_from: str
    needs_prompt: bool
    default: bool
    def __init__(self, name: _Optional[str] = ..., question: _Optional[str] = ..., read_from: _Optional[str] = ..., needs_prompt: _Optional[bool] = ..., default: _Optional[bool] = ...) -> None: ...

class CriticInfo(_message.Message):
    __slots__ = ("name", "revision", "description", "limits", "criteria", "pairwise_method", "reward_weights", "fingerprint")
    class RewardWeightsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    NAME_FIELD_NUMBER: _ClassVar[int]
    REVISION_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    CRITERIA_FIELD_NUMBER: _ClassVar[int]
    PAIRWISE_METHOD_FIELD_NUMBER: _ClassVar[int]
    REWARD_WEIGHTS_FIELD_NUMBER: _ClassVar[int]
    FINGERPRINT_FIELD_NUMBER: _ClassVar[int]
    name: str
    revision: str
    description: str
    limits: str
    criteria: _containers.RepeatedCompositeFieldContainer[CriterionInfo]
    pairwise_method: str
    reward_weights: _containers.ScalarMap[str, float]
    fingerprint: Fingerprint
    def __init__(self, name: _Optional[str] = ..., revision: _Optional[str] = ..., description: _Optional[str] = ..., limits: _Optional[str] = ..., criteria: _Optional[_Iterable[_Union[CriterionInfo, _Mapping]]] = ..., pairwise_method: _Optional[str] = ..., reward_weights: _Optional[_Mapping[str, float]] = ..., fingerprint: _Optional[_Union[Fingerprint, _Mapping]] = ...) -> None: ...

class DimensionInfo(_message.Message):
    __slots__ = ("name", "description", "higher_is_better", "available", "reason", "needs")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    HIGHER_IS_BETTER_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    NEEDS_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    higher_is_better: bool
    available: bool
    reason: str
    needs: str
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., higher_is_better: _Optional[bool] = ..., available: _Optional[bool] = ..., reason: _Optional[str] = ..., needs: _Optional[str] = ...) -> None: ...

class MetricInfo(_message.Message):
    __slots__ = ("name", "description", "source", "least", "greatest", "needs_prompt", "available", "reason")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DESCRIPTION_FIELD_NUMBER: _ClassVar[int]
    SOURCE_FIELD_NUMBER: _ClassVar[int]
    LEAST_FIELD_NUMBER: _ClassVar[int]
    GREATEST_FIELD_NUMBER: _ClassVar[int]
    NEEDS_PROMPT_FIELD_NUMBER: _ClassVar[int]
    AVAILABLE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    name: str
    description: str
    source: str
    least: float
    greatest: float
    needs_prompt: bool
    available: bool
    reason: str
    def __init__(self, name: _Optional[str] = ..., description: _Optional[str] = ..., source: _Optional[str] = ..., least: _Optional[float] = ..., greatest: _Optional[float] = ..., needs_prompt: _Optional[bool] = ..., available: _Optional[bool] = ..., reason: _Optional[str] = ...) -> None: ...

class InfoResponse(_message.Message):
    __slots__ = ("service", "version", "default_critic", "critics", "dimensions", "limits", "versions", "metrics")
    class LimitsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: float
        def __init__(self, key: _Optional[str] = ..., value: _Optional[float] = ...) -> None: ...
    class VersionsEntry(_message.Message):
        __slots__ = ("key", "value")
        KEY_FIELD_NUMBER: _ClassVar[int]
        VALUE_FIELD_NUMBER: _ClassVar[int]
        key: str
        value: str
        def __init__(self, key: _Optional[str] = ..., value: _Optional[str] = ...) -> None: ...
    SERVICE_FIELD_NUMBER: _ClassVar[int]
    VERSION_FIELD_NUMBER: _ClassVar[int]
    DEFAULT_CRITIC_FIELD_NUMBER: _ClassVar[int]
    CRITICS_FIELD_NUMBER: _ClassVar[int]
    DIMENSIONS_FIELD_NUMBER: _ClassVar[int]
    LIMITS_FIELD_NUMBER: _ClassVar[int]
    VERSIONS_FIELD_NUMBER: _ClassVar[int]
    METRICS_FIELD_NUMBER: _ClassVar[int]
    service: str
    version: str
    default_critic: str
    critics: _containers.RepeatedCompositeFieldContainer[CriticInfo]
    dimensions: _containers.RepeatedCompositeFieldContainer[DimensionInfo]
    limits: _containers.ScalarMap[str, float]
    versions: _containers.ScalarMap[str, str]
    metrics: _containers.RepeatedCompositeFieldContainer[MetricInfo]
    def __init__(self, service: _Optional[str] = ..., version: _Optional[str] = ..., default_critic: _Optional[str] = ..., critics: _Optional[_Iterable[_Union[CriticInfo, _Mapping]]] = ..., dimensions: _Optional[_Iterable[_Union[DimensionInfo, _Mapping]]] = ..., limits: _Optional[_Mapping[str, float]] = ..., versions: _Optional[_Mapping[str, str]] = ..., metrics: _Optional[_Iterable[_Union[MetricInfo, _Mapping]]] = ...) -> None: ...

class ClipResponse(_message.Message):
    __slots__ = ("request_id", "clip_id", "num_bytes", "expires_in_s")
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    CLIP_ID_FIELD_NUMBER: _ClassVar[int]
    NUM_BYTES_FIELD_NUMBER: _ClassVar[int]
    EXPIRES_IN_S_FIELD_NUMBER: _ClassVar[int]
    request_id: str
    clip_id: str
    num_bytes: int
    expires_in_s: float
    def __init__(self, request_id: _Optional[str] = ..., clip_id: _Optional[str] = ..., num_bytes: _Optional[int] = ..., expires_in_s: _Optional[float] = ...) -> None: ...

class ErrorResponse(_message.Message):
    __slots__ = ("code", "message", "retryable", "request_id", "details", "status", "retry_after_s")
    CODE_FIELD_NUMBER: _ClassVar[int]
    MESSAGE_FIELD_NUMBER: _ClassVar[int]
    RETRYABLE_FIELD_NUMBER: _ClassVar[int]
    REQUEST_ID_FIELD_NUMBER: _ClassVar[int]
    DETAILS_FIELD_NUMBER: _ClassVar[int]
    STATUS_FIELD_NUMBER: _ClassVar[int]
    RETRY_AFTER_S_FIELD_NUMBER: _ClassVar[int]
    code: str
    message: str
    retryable: bool
    request_id: str
    details: _struct_pb2.Struct
    status: int
    retry_after_s: float
    def __init__(self, code: _Optional[str] = ..., message: _Optional[str] = ..., retryable: _Optional[bool] = ..., request_id: _Optional[str] = ..., details: _Optional[_Union[_struct_pb2.Struct, _Mapping]] = ..., status: _Optional[int] = ..., retry_after_s: _Optional[float] = ...) -> None: ...

class ScoreStreamReply(_message.Message):
    __slots__ = ("index", "response", "error")
    INDEX_FIELD_NUMBER: _ClassVar[int]
    RESPONSE_FIELD_NUMBER: _ClassVar[int]
    ERROR_FIELD_NUMBER: _ClassVar[int]
    index: int
    response: ScoreResponse
    error: ErrorResponse
    def __init__(self, index: _Optional[int] = ..., response: _Optional[_Union[ScoreResponse, _Mapping]] = ..., error: _Optional[_Union[ErrorResponse, _Mapping]] = ...) -> None: ...
