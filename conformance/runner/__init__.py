"""Running cells: in the engine (``serve``, ``cell``), steered from the host (``host``)."""
