"""How objects of the domain look on a terminal: a module for each subject, and `terminal` for what
they share. Nothing in here reads a file or decides anything.
"""
