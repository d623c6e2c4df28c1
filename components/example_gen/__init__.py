"""AudioExampleGen: labelled recordings become TFRecords of utterances, a shard at a time.

Listing, index, splits and the Beam pipeline live here, signal processing does not. No TensorFlow:
a worker process would pay 10 s for it.
"""
