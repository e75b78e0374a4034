"""The numerical solver of the linear SVMs."""
