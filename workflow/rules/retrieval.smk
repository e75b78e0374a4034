# Retrieval without fine-tuning: do the nearest windows show the same category? (PAPER §6.1)
#
# inputs   the model's weights, results/voc/proposals/VOC{year}/{training set}-{part}.npz, VOC's photos and annotations
# outputs  results/cells/section6/{protocol}/retrieval/{model}.json: precision and hit rate at k, by category and on average
# steps    compute features of the test objects and of the training windows on objects, and compare them


rule retrieval_precision:
    input:
        weights=lambda wildcards: [plan.weights(wildcards.model)],
        proposals=lambda wildcards: plan.proposals(plan.protocol.train),
        # A digest among the parameters shows whether a file was replaced since.
        images=ancient(plan.voc_ready_file(plan.protocol.test)),
    output:
        cell="results/cells/section6/{protocol}/retrieval/{model}.json",
    log:
        "results/logs/retrieval_precision/{protocol}/{model}.log",
    threads: config["threads"]["detection"]
    resources:
        gpu=config["features"]["processes"],
    params:
        devkit=plan.labelled_devkit,
        image_set=plan.protocol.test,
        photos_digest=lambda wildcards: [plan.photos_digest(name) for name in plan.image_sets],
        annotations_digest=lambda wildcards: [plan.annotations_digest(name) for name in plan.image_sets],
        features=plan.feature_settings(config["retrieval"]["layer"], ground_truth=True),
        k=config["retrieval"]["k"],
        code=code("retrieval/retrieval_precision.py"),
    message:
        "{wildcards.model}: compute precision at {params.k} of test objects among training windows"
    script:
        "../scripts/retrieval/retrieval_precision.py"
