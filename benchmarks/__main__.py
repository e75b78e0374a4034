"""`python -m benchmarks`: the `main()` of every module here that has one."""

import pkgutil
from importlib import import_module
from pathlib import Path

for module in pkgutil.iter_modules([str(Path(__file__).parent)]):
    if module.name == "__main__":
        continue
    main = getattr(import_module(f"benchmarks.{module.name}"), "main", None)
    if main:
        print(f"\n== {module.name}", flush=True)
        main()
