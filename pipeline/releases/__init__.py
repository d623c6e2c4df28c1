"""Pushed versions: rollback, promotion, export, and bringing ledger, metadata and registry in line
with the serving directory.
"""
