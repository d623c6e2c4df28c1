"""The JSON documents that steps leave for people and for later steps, a module each.

Only types and file names: what reads and writes them lies with the steps.
"""
