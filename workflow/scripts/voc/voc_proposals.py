from tracklearn.runs import recorded
from tracklearn.voc.proposals import propose

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            propose(
                **snakemake.params.devkit,
                image_set=snakemake.wildcards.set,
                part=int(snakemake.wildcards.part),
                images_per_part=snakemake.params.images_per_part,
                proposals=snakemake.params.proposals,
                out=snakemake.output.proposals,
                threads=snakemake.threads,
                report=run.report,
            )
        )
