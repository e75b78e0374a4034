"""Random numbers as a function of their purpose: there is no global generator and no state to save in a checkpoint."""

import numpy as np
import torch


def torch_generator(*entropy: int, device: str | torch.device = "cpu") -> torch.Generator:
    """An independent generator for each tuple of non-negative integers, such as (seed, iteration)."""
    (state,) = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
    return torch.Generator(device=device).manual_seed(int(state) >> 1)
