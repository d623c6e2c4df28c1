"""AudioExampleGen: labelled recordings become TFRecords of utterances."""
