from tracklearn.normals.learned_words import write_codebook
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            write_codebook(
                snakemake.input.truth,
                settings=snakemake.params.settings,
                out=snakemake.output.words,
                picture=snakemake.output.picture,
            )
        )
