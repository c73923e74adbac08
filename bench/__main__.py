"""Run every benchmark, or those named on the command line, and print one table."""

import importlib
import pkgutil
import sys
from pathlib import Path


def main(wanted: list[str]) -> None:
    here = Path(__file__).parent
    names = [module.name for module in pkgutil.iter_modules([str(here)]) if not module.name.startswith("_")]
    for name in names:
        if wanted and name not in wanted:
            continue
        module = importlib.import_module(f"bench.{name}")
        if not hasattr(module, "run"):
            continue
        for row, value, unit in module.run():
            sys.stdout.write(f"{name:12} {row:72} {value:12.3f} {unit}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
