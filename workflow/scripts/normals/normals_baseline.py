from tracklearn.normals.scoring import baseline_row
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            baseline_row(
                truth=snakemake.input.truth,
                codebook=snakemake.input.get("codebook") or None,
                method=snakemake.wildcards.method,
                settings=snakemake.params.settings,
                cell=snakemake.output.cell,
                replicates=snakemake.output.replicates,
                runs=[run.key, *run.lineage(snakemake.input)],
                report=run.report,
            )
        )
