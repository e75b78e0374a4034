from tracklearn.runs import stage
from tracklearn.voc.proposals import propose

if __name__ == "__main__":
    with stage(snakemake) as run:
        run.metrics(
            propose(
                **snakemake.params.voc,
                image_set=snakemake.wildcards.set,
                part=int(snakemake.wildcards.part),
                images_per_part=snakemake.params.images_per_part,
                out=snakemake.output.proposals,
                **snakemake.params.proposals,
                threads=snakemake.threads,
                report=run.report,
            )
        )
