# Retrieval without fine-tuning: do the nearest windows show the same category? (PAPER §6.1)
#
# inputs   features of the test objects and of the training windows, VOC's annotations
# outputs  results/cells/retrieval/{model}.json: precision and hit rate at k, by category and on average
# steps    one comparison a model


rule retrieval_precision:
    input:
        queries=lambda wildcards: parts(
            "results/detection/features/{model}/{layer}/{set}-{part}.h5",
            PROTOCOL.test,
            model=wildcards.model,
            layer=config["retrieval"]["layer"],
        ),
        database=lambda wildcards: parts(
            "results/detection/features/{model}/{layer}/{set}-{part}.h5",
            PROTOCOL.train,
            model=wildcards.model,
            layer=config["retrieval"]["layer"],
        ),
    output:
        cell="results/cells/retrieval/{model}.json",
    params:
        voc=VOC,
        k=config["retrieval"]["k"],
        code=code("retrieval/retrieval_precision.py"),
    log:
        "results/logs/retrieval_precision/{model}.log",
    threads: config["threads"]["detection"]
    message:
        "{wildcards.model}: precision at {params.k} of test objects among training windows"
    script:
        "../scripts/retrieval/retrieval_precision.py"
