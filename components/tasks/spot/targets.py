"""The targets of a keyword spotter's labelled clips are a classifier's."""

from components.tasks.classify.targets import (
    KEY,
    check_groups,
    check_target,
    data_rules,
    read_target,
)

__all__ = ["KEY", "check_groups", "check_target", "data_rules", "read_target"]
