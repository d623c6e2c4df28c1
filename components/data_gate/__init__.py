"""DataGate: whether the data may train a model, decided before training starts."""
