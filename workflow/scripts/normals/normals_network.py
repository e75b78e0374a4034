from tracklearn.normals.scoring import network_row
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            network_row(
                **snakemake.input,
                settings=snakemake.params.settings,
                precision=snakemake.params.precision,
                cell=snakemake.output.cell,
                replicates=snakemake.output.replicates,
                runs=[run.key, *run.lineage(snakemake.input)],
                report=run.report,
            )
        )
