from tracklearn.frozen.images import image_set_figures
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            image_set_figures(
                settings=snakemake.params.settings,
                column=snakemake.wildcards.column,
                weights=snakemake.input.weights,
                cell=snakemake.output.cell,
                replicates=snakemake.output.replicates,
                precision=snakemake.params.precision,
                runs=[run.key, *run.lineage(snakemake.input)],
                threads=snakemake.threads,
                report=run.report,
            )
        )
