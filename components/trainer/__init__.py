"""What TFX's Trainer runs: data set, fit and export."""
