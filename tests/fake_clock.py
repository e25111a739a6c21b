"""A clock that stands still but for the workloads called under it."""

from labkit.measure.journal import Reading
from labkit.measure.sampling import Workload


class FakeClock:
    def __init__(self, resolution=1e-9):
        self.resolution = resolution
        self.now, self.used, self.stolen = 100.0, 0.0, 0.0

    def wall(self):
        return self.now

    def cpu(self):
        return self.used

    def steal(self):
        return self.stolen

    def workload(self, *seconds, busy=1.0, name="fake", n=1, **more):
        """A workload whose calls last as listed, the last figure from there on."""
        lasts = list(seconds)

        def call():
            step = lasts.pop(0) if len(lasts) > 1 else lasts[0]
            self.now += step
            self.used += busy * step

        return Workload(name, n, call, **more)


class FakeProbe:
    """A core that is always alone, but for each of these readings in turn; readings take no time."""

    fma_gflops = 100.0

    def __init__(self, _clock=None, contended=(False,)):
        self.readings, self.contended = [], contended

    def before(self):
        if not self.readings:
            self.after()
        return len(self.readings) - 1

    def after(self):
        index = len(self.readings)
        slow = 0.7 if self.contended[index % len(self.contended)] else 1.0
        self.readings.append(Reading(index, self.fma_gflops, slow * 25.0, slow * 80.0))

    def close(self):
        pass
