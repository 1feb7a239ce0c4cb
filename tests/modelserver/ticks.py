"""A clock for measurements, by which a stall of the machine takes no time."""


class Ticks:
    """In place of the module `time`: each look at the clock is a hundredth of a second later."""

    def __init__(self) -> None:
        self._looks = 0

    def perf_counter(self) -> float:
        """Seconds by the number of looks."""
        self._looks += 1
        return self._looks / 100
