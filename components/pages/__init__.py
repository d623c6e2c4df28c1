"""What pages about models are made of: drawings, clips to listen to, sections.

Knows no step and no task: both build on it.
"""
