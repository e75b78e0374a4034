from tracklearn.patches.sheet import draw_sheet
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            draw_sheet(
                store=snakemake.input.store,
                sheet=snakemake.output.sheet,
            )
        )
