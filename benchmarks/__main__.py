"""`python -m benchmarks`: the `main()` of every module here that has one and measures speed."""

import pkgutil
from importlib import import_module
from pathlib import Path

# `make learning` takes long, and measures what is learned; the trackers are part of the benchmark of mining; `yields`
# counts pairs, and measures no speed; the rehearsal and its records take an hour and minutes.
OTHERS = {"__main__", "learning", "records", "rehearsal", "tracking", "yields"}

for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
    if module.name in OTHERS:
        continue
    main = getattr(import_module(f"benchmarks.{module.name}"), "main", None)
    if main:
        print(f"\n== {module.name}", flush=True)
        main()
