"""TFX's ExampleValidator, for statistics wherever they lie."""
