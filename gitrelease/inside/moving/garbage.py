"""Spares runs the search for garbage in all that the app has loaded: Streamlit makes it after each of them."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

AGAIN = 60.0  # seconds after which all is searched again, once a run has ended


class Garbage:
    """Collects garbage, and keeps what is left out of the collector's sight (`gc.freeze`) until it does so again.

    In a process that has loaded pandas a search takes 60 ms, in which no page gets anything. What becomes garbage of
    that which was there at the last search, and is not freed by its count of references, waits for the next one.
    An app that freezes by itself, or that has `runner.postScriptGC` off, is left alone.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._again_at = 0.0
        self._frozen = False

    def run_ended(self) -> None:
        """Collect, unless that was done within the last minute."""
        if self._clock() >= self._again_at and self._may_freeze():
            self.collect()

    def collect(self) -> None:
        """Collect all garbage there is."""
        if self._frozen:
            gc.unfreeze()
            self._frozen = False
        gc.collect()
        if self._may_freeze():
            gc.freeze()
            self._frozen = True
        self._again_at = self._clock() + AGAIN

    def _may_freeze(self) -> bool:
        import streamlit

        return (self._frozen or not gc.get_freeze_count()) and bool(streamlit.get_option("runner.postScriptGC"))
