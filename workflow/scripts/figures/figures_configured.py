from tracklearn.pages.configured import copy_to_results
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake):
        copy_to_results(file=snakemake.input.file, copy=snakemake.output.copied)
