"""A task that no package of ours knows: how loud a clip is, as a number of decibels."""
