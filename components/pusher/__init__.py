"""Puts a blessed model into the serving directory, all or nothing."""
