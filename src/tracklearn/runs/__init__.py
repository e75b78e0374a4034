"""The log, the one-line errors and the record of every job.

A *job* is one execution of a rule. Its *run* is the record of the job, over all attempts that the job needed. A job
never talks to MLflow: it appends events to files below `results/mlflow/runs/` (`spool`), and one process delivers the
events to a store (`sender`, the only module that imports mlflow). A store that is unreachable or slow therefore
delays no job.
"""

from tracklearn.runs.run import Run, recorded
from tracklearn.runs.spool import start_sender

__all__ = ["Run", "recorded", "start_sender"]
