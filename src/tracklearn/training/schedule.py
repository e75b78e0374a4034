"""The learning rate as a function of the iteration."""

from tracklearn.settings.training import Schedule


def learning_rate(schedule: Schedule, iteration: int) -> float:
    """The rate of iteration 0, 1, ...: lr x gamma^floor(iteration / step), less during the linear warmup."""
    rate = schedule.lr * schedule.gamma ** (iteration // schedule.step if schedule.step else 0)
    return rate * min(1.0, (iteration + 1) / schedule.warmup) if schedule.warmup else rate
