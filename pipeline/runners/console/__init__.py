"""What a person sees of a run that goes on: progress, step times, and where the output goes."""
