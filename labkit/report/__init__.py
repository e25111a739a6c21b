"""One HTML file to look at: figures, tables, findings and provenance, with nothing to fetch."""
