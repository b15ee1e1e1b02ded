"""Cells of the data plane: in the engine (``serve``, ``cell``), steered from outside (``host``)."""
