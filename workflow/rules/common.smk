# What every rule file uses: the checked configuration, digests of code, and the logging of runs.
import re

import yaml

from tracklearn import experiment
from tracklearn.errors import UserError
from tracklearn.provenance import digest
from tracklearn.stage import start_sender


def stop(error):
    """Leave with one line instead of a traceback into this file."""
    sys.exit(f"tracklearn: {error}")


try:
    experiment.check(config, yaml.safe_load((HERE / "workflow/schemas/config.schema.yaml").read_text()))
except UserError as error:
    stop(error)


def code(script):
    """Digest of the package's code that a script in workflow/scripts runs: `params: code=code("mining/track.py")`."""
    return digest(HERE / "workflow/scripts" / script)


def warn(line):
    print(f"tracklearn: {line}", file=sys.stderr)


wildcard_constraints:
    shard=r"\d{5}",
    part=r"\d+",
    model="|".join(map(re.escape, config["models"])),
    row="|".join(re.escape(row["id"]) for row in config["table1"]),
    layer="pool5|fc6|fc7",
