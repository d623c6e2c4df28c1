"""Two runs compared, on the terminal."""

from pipeline.cli.views.terminal import console, headed, table
from pipeline.runs.compare import Comparison

_SLICES_SHOWN = 40


def print_comparison(comparison: Comparison) -> None:
    """The comparison for people."""
    screen = console()
    unit = f" in {comparison.unit}" if comparison.unit else ""
    screen.print(
        headed(
            f"Run {comparison.second} against run {comparison.first}",
            f", on {comparison.clips:,} clips that both were tested on"
            f" ({comparison.only_first:,} and {comparison.only_second:,} in one only);"
            f" {comparison.headline}{unit}, intervals of {comparison.confidence:.0%} confidence",
        )
    )
    numbers = ("clips", "first", "second", "difference", "interval")
    rows = table("slice", *numbers, "", numbers=numbers)
    for row in [comparison.overall, *comparison.slices[:_SLICES_SHOWN]]:
        is_sure = row.interval.low > 0 or row.interval.high < 0
        is_better = (row.difference > 0) == comparison.higher_is_better
        rows.add_row(
            f"{row.feature} {row.value or 'unknown'}" if row.feature else "all clips",
            f"{row.clips:,}",
            f"{row.first:.3f}",
            f"{row.second:.3f}",
            f"{row.difference:+.3f}",
            f"{row.interval.low:+.3f} to {row.interval.high:+.3f}",
            ("better" if is_better else "worse") if is_sure else "",
        )
    screen.print(rows)
    if (more := len(comparison.slices) - _SLICES_SHOWN) > 0:
        screen.print(f"and {more} more slices, all better: --json has them")
