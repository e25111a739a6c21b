"""Is a folder a valid result of the assignment? Decided by deriving its records again and by running its functions."""
