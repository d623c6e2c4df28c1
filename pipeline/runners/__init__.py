"""What runs the graph: this machine, or Vertex AI."""
