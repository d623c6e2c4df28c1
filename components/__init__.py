"""The steps that do the work, and the audio and model code they share."""
