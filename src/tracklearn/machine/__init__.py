"""Resources of the machine: devices, threads, memory, open files, signals."""
