"""What is kept of a run (samples and metadata), what follows from it, and where it is found."""
