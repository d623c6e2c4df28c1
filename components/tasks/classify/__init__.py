"""One label for a whole clip: the parts that `components.tasks` lists.

Nothing that every task needs is here: that is in `components.evaluation` and in the steps.
"""
