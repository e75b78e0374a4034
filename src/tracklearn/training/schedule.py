"""The learning rate as a function of the iteration."""

from tracklearn.settings.training import Schedule


def learning_rate(schedule: Schedule, iteration: int) -> float:
    """The rate of iteration 0, 1, ...: lr x gamma^floor((iteration - restart) / step), less during the linear warmup.

    The rate is `lr` before `restart`. The warmup is for random weights, so a restart from trained ones has none.
    """
    steps = max(0, iteration - schedule.restart) // schedule.step if schedule.step else 0
    rate = schedule.lr * schedule.gamma**steps
    return rate * min(1.0, (iteration + 1) / schedule.warmup) if schedule.warmup else rate
