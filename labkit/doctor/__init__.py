"""Is the NumPy in front of me healthy? Look, measure, say what is wrong and which command mends it.

It runs in any environment: the standard library and NumPy are all it needs. Data flows one way: `vitals` looks at the
machine and `patient` (a process of its own) at NumPy, `examination` has np.matmul and the `peak` timed in turns,
`health` and `kernels` judge what was seen (both in the words of `symptoms`), and `consultation` tells it.
"""
