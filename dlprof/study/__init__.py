"""Declarative studies: a TOML file that says what to run becomes cells, one run each; and what `study.json` holds."""

from dlprof.study.cells import Cell, Planned, expand
from dlprof.study.record import STUDY_FILE, CellRecord, StudyRecord
from dlprof.study.spec import Study, read

__all__ = ["STUDY_FILE", "Cell", "CellRecord", "Planned", "Study", "StudyRecord", "expand", "read"]
