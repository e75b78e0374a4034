"""What the machine gives: devices, threads, memory, signals."""
