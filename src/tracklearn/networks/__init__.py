"""CaffeNet as the authors' fork has it, its weights on disk, and a picture of its first layer."""
