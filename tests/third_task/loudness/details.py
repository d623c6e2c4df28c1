from typing import Literal

from schemas.reports.verdict import TaskDetails


class Details(TaskDetails):
    task: Literal["loudness"] = "loudness"
    bias_db: float
