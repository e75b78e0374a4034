"""One loop for every network: Caffe's SGD, schedules by iteration, checkpoints, exact resume."""
