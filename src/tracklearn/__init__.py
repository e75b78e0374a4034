"""Learning visual features from unlabelled video by tracking (Wang & Gupta, ICCV 2015)."""

__version__ = "0.1.0"
