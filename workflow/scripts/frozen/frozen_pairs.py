from tracklearn.frozen.pairs import pair_set_figures
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            pair_set_figures(
                settings=snakemake.params.settings,
                column=snakemake.wildcards.column,
                stores=snakemake.input.stores,
                weights=snakemake.input.weights,
                cell=snakemake.output.cell,
                replicates=snakemake.output.replicates,
                runs=[run.key, *run.lineage(snakemake.input)],
                report=run.report,
            )
        )
