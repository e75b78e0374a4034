"""The paper's figures 2, 3, 5 and 6, drawn from this experiment in print quality, and the page of all figures."""
