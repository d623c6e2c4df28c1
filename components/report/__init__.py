"""One self-contained HTML page a run: its frame, and what is the same for every task.

Sections of a task are in its folder, what pages are drawn with in `components.pages`. Nothing here
measures or decides.
"""
