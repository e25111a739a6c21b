"""The benchmark: what bench.py declares, checked, measured and recorded."""
