"""The only users of ML Metadata outside the graph: opening the store and asking it."""
