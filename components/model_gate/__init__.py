"""ModelGate: blesses a model or says why not."""
