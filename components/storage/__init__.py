"""All reading and writing of files, behind one interface that an object store can stand behind.

A caller names a place by a path or a URI (`location_of`) and gets a `Location`: a storage and a
name in it. What differs between a disk and an object store (renames, locks, folders) stays in here;
what the bytes mean stays out. No TensorFlow, TFX or Beam: ingest's workers load this.
"""
