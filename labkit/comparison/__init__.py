"""Results side by side: what differs between where they come from, and then between their figures."""
