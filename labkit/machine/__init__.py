"""What the machine, and the process on it, may and can do. Standard library and NumPy only.

What a machine does not tell is None with a reason, never a guess. Functions take the root of the file system, so
that tests read recorded machines.
"""
