"""The line of versions in a serving directory: pushed whole, verified, restored, accounted for."""
