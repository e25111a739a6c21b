"""Results in the formats of others: pyperf, Bencher, CSV."""
