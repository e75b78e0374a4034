"""The numbers of the tables, one cell a file, and the tables that join them."""
