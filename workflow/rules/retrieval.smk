# Retrieval without fine-tuning: do the nearest windows show the same category? (PAPER §6.1)
#
# inputs   features of the test objects and of the training windows, VOC's annotations
# outputs  results/cells/retrieval/{protocol}/{model}/precision.json: precision and hit rate at k, by category and on
#          average
# steps    compare the test objects with the training windows, once for each model


rule retrieval_precision:
    input:
        queries=lambda wildcards: plan.features(wildcards.model, config["retrieval"]["layer"], plan.protocol.test),
        database=lambda wildcards: plan.features(wildcards.model, config["retrieval"]["layer"], plan.protocol.train),
    output:
        cell="results/cells/retrieval/{protocol}/{model}/precision.json",
    log:
        "results/logs/retrieval_precision/{protocol}/{model}.log",
    threads: config["threads"]["detection"]
    params:
        devkit=plan.labelled_devkit,
        annotations_digest=lambda wildcards: [plan.annotations_digest(name) for name in plan.image_sets],
        k=config["retrieval"]["k"],
        code=code("retrieval/retrieval_precision.py"),
    message:
        "{wildcards.model}: compute precision at {params.k} of test objects among training windows"
    script:
        "../scripts/retrieval/retrieval_precision.py"
