"""How a number is taken: clock, samples, schedule, journal, and the run over all of it."""
