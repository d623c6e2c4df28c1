"""What runs leave behind: records, comparisons, snapshots of their data and code, retention."""
