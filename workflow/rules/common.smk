# All rule files use these names: the plan that follows from the configuration, and the digests of code.
import re

from snakemake.cli import get_argument_parser
from snakemake.utils import update_config

from tracklearn.errors import exit_with_one_line
from tracklearn.experiment.code_digests import digests_of
from tracklearn.experiment.command_line import command_line_settings
from tracklearn.experiment.killed_runs import forget_schedulers, locks_folder, note_scheduler
from tracklearn.experiment.plan import Plan
from tracklearn.experiment.targets import check_targets, warnings
from tracklearn.files import check_writable
from tracklearn.machine.limits import JOB_MB, memory
from tracklearn.machine.threads import set_environment

# Only Snakemake's parser knows which words of the command line are targets and which are values of options.
arguments, _ = get_argument_parser().parse_known_args(sys.argv[1:])

with exit_with_one_line():
    for settings in command_line_settings(workflow.config_settings.config_args or []):
        update_config(config, settings)
    plan = Plan(config, of_job=bool(arguments.target_jobs))
    # From here on, the configuration is complete. Every rule names the settings that its result depends on.
    config.update(plan.config)
    # The graph of a single job was checked before, and the catalogue lints a clone that has no data.
    if not arguments.target_jobs and arguments.lint is None:
        check_targets(plan, arguments.targets)

if not arguments.target_jobs and not arguments.dryrun:
    with exit_with_one_line():
        check_writable(Path("results"))
        if arguments.unlock:
            forget_schedulers()
        elif locks_folder(arguments):
            # A run that was killed left its lock: the same command goes on.
            note_scheduler()

for line in warnings(plan, arguments.targets):
    print(f"tracklearn: {line}", file=sys.stderr)

# The digest of the package's code that a script runs. An edit of this code re-runs the rule.
code = digests_of(HERE / "workflow/scripts", kept=Path(".snakemake/tracklearn/code.json")).__getitem__

# A wildcard constraint that matches exactly these names; for an empty list, it matches nothing.
names = lambda listed: "|".join(map(re.escape, listed)) or "(?!)"

# The jobs inherit this process's environment.
set_environment()


wildcard_constraints:
    shard=r"\d{5}",
    part=r"\d+",
    protocol=re.escape(plan.protocol.name),
    set=names([plan.protocol.train, plan.protocol.test]),
    path=names(plan.model_paths()),
    model=names(plan.config["models"]),
    row=names(plan.rows),
    layer="pool5|fc6|fc7",
