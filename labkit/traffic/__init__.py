"""The bytes that really moved: lines that cross each level of the caches, executed under Valgrind or simulated."""
