"""The versions in a serving directory: published whole, verified, restored, accounted for."""
