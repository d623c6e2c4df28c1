"""What models answered on clips, and what that is worth: shared by the steps that judge.

Errors and units, intervals, slices, rules, TFMA. No task lives here, nor anything that knows what
a target is: that is in `components/tasks`.
"""
