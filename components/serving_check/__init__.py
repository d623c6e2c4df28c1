"""ServingCheck: the exported model answers in a process of its own, as it did in evaluation."""
