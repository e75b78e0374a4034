"""What surrounds each stage: log, threads, one-line errors, and a record of the run.

A job never talks to MLflow. It appends what happens to files under `results/mlflow/runs/` (`spool`), and one process
delivers them to a store (`sender`, the only module that imports mlflow). A store that is gone, cold or slow
therefore never costs a job anything.
"""

from tracklearn.runs.run import Run, stage
from tracklearn.runs.spool import start_sender

__all__ = ["Run", "stage", "start_sender"]
