"""What the experiments share: how a number is taken, reduced, recorded, drawn and explained.

Data flows one way: declare -> measure -> reduce -> record -> draw -> explain. Nothing here imports an
experiment.
"""
