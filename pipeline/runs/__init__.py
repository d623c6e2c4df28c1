"""What runs leave behind: records, comparisons, snapshots of their data and code, retention.

Nothing here starts a run or changes a published version.
"""
