from tracklearn.networks.card import write_cards
from tracklearn.runs import recorded

if __name__ == "__main__":
    with recorded(snakemake) as run:
        run.metrics(
            write_cards(
                models=snakemake.params.models,
                weights=snakemake.input.weights,
                cards=snakemake.output.cards,
            )
        )
