"""Labelled rows to train and measure critics on: reading, checking, splitting, checklists.

No torch and no video here: a row names its clips by path. `README.md` beside this file has the
schema and the published formats that are read.
"""

from critic_models.rows.checklist import Checklist, ChecklistItem, load_checklist, save_checklist
from critic_models.rows.checklist_weights import learn_checklist, learn_weights
from critic_models.rows.read import FORMATS, Source, read_rows
from critic_models.rows.row import (
    ChecklistRow,
    Origin,
    PairRow,
    PointRow,
    Preference3,
    Reject,
    Row,
    RowError,
    RowSet,
)
from critic_models.rows.schema import parse_row, row_to_json
from critic_models.rows.split import Split, leaks, split_rows

__all__ = [
    "FORMATS",
    "Checklist",
    "ChecklistItem",
    "ChecklistRow",
    "Origin",
    "PairRow",
    "PointRow",
    "Preference3",
    "Reject",
    "Row",
    "RowError",
    "RowSet",
    "Source",
    "Split",
    "leaks",
    "learn_checklist",
    "learn_weights",
    "load_checklist",
    "parse_row",
    "read_rows",
    "row_to_json",
    "save_checklist",
    "split_rows",
]
