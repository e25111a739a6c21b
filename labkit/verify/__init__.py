"""Is this a valid result of the lab? Every requirement of its text, checked by name."""
