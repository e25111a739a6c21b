"""Why np.matmul is ten thousand times faster than the same loop in Python, measured on your machine.

Data flows one way: declare -> measure -> record -> derive -> show. Nothing here imports an experiment.
"""
