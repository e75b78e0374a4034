# Retrieval without fine-tuning: do the nearest windows show the same category? (PAPER §6.1)
#
# inputs   the model's weights, results/voc/proposals/VOC{year}/{training set}-{part}.npz, VOC's photos and annotations
# outputs  results/cells/section6/{protocol}/retrieval/{system}.json: precision and hit rate at k, over queries and over
#          classes, of a model or of elda; results/retrieval/{protocol}/bootstraps/{system}.npz: their bootstrap replicates;
#          nearest/{system}.npz: the nearest windows of every query; hog_statistics.npz: mean and covariance of HOG;
#          figure7.html: queries of each class with their nearest windows; results/retrieval/figure7/{image}-{object}.html:
#          the same of one query
# steps    compute features of the test objects and of the training windows on objects, and compare them; for ELDA, measure
#          the statistics of HOG, train a detector for each test object, and score the windows; draw the pages
NEAREST = "results/retrieval/{protocol}/nearest"

if plan.protocol.annotated:

    rule retrieval_precision:
        input:
            weights=lambda wildcards: [plan.weights(wildcards.model)],
            proposals=lambda wildcards: plan.voc.proposals(plan.protocol.train),
            # A digest among the parameters shows whether a file was replaced since.
            images=ancient(plan.voc.ready_file(plan.protocol.test)),
        output:
            cell="results/cells/section6/{protocol}/retrieval/{model}.json",
            replicates="results/retrieval/{protocol}/bootstraps/{model}.npz",
            nearest=f"{NEAREST}/{{model}}.npz",
        log:
            "results/logs/retrieval_precision/{protocol}/{model}.log",
        wildcard_constraints:
            model=names(model for model in config["models"] if not plan.lacking([model])),
        threads: config["threads"]["detection"]
        resources:
            gpu=config["features"]["processes"],
            mem_mb=memory(COMPUTING_MB),
        params:
            devkit=plan.voc.labelled_devkit,
            image_set=plan.protocol.test,
            photos_digest=lambda wildcards: [plan.voc.photos_digest(name) for name in plan.voc.image_sets],
            annotations_digest=lambda wildcards: [plan.voc.annotations_digest(name) for name in plan.voc.image_sets],
            features=plan.feature_settings(config["retrieval"]["layer"], ground_truth=True),
            k=config["retrieval"]["k"],
            bootstrap=config["detection"]["bootstrap"],
            code=code("retrieval/retrieval_precision.py"),
        message:
            "{wildcards.model}: compute precision at {params.k} of test objects among training windows"
        script:
            "../scripts/retrieval/retrieval_precision.py"

    rule retrieval_statistics:
        input:
            images=ancient(plan.voc.ready_file(plan.protocol.train)),
        output:
            statistics="results/retrieval/{protocol}/hog_statistics.npz",
        log:
            "results/logs/retrieval_statistics/{protocol}.log",
        threads: config["threads"]["detection"]
        params:
            devkit=plan.voc.devkit,
            image_set=plan.protocol.train,
            photos_digest=lambda wildcards: plan.voc.photos_digest(plan.protocol.train),
            templates={key: config["retrieval"]["elda"][key] for key in ("cells", "shapes")},
            code=code("retrieval/retrieval_statistics.py"),
        message:
            "Measure mean and covariance of HOG on the photos of {params.image_set}"
        script:
            "../scripts/retrieval/retrieval_statistics.py"

    rule retrieval_elda:
        input:
            statistics="results/retrieval/{protocol}/hog_statistics.npz",
            proposals=lambda wildcards: plan.voc.proposals(plan.protocol.train),
            images=ancient(plan.voc.ready_file(plan.protocol.test)),
        output:
            cell="results/cells/section6/{protocol}/retrieval/elda.json",
            replicates="results/retrieval/{protocol}/bootstraps/elda.npz",
            nearest=f"{NEAREST}/elda.npz",
        log:
            "results/logs/retrieval_elda/{protocol}.log",
        threads: config["threads"]["detection"]
        resources:
            gpu=1,
            mem_mb=memory(JOB_MB),
        params:
            devkit=plan.voc.labelled_devkit,
            image_set=plan.protocol.test,
            photos_digest=lambda wildcards: [plan.voc.photos_digest(name) for name in plan.voc.image_sets],
            annotations_digest=lambda wildcards: [plan.voc.annotations_digest(name) for name in plan.voc.image_sets],
            elda=config["retrieval"]["elda"],
            k=config["retrieval"]["k"],
            bootstrap=config["detection"]["bootstrap"],
            code=code("retrieval/retrieval_elda.py"),
        message:
            "ELDA on HOG: compute precision at {params.k} of test objects among training windows"
        script:
            "../scripts/retrieval/retrieval_elda.py"

    rule retrieval_figure7:
        input:
            nearest=lambda wildcards: [path for _, path in plan.section6.nearest()],
            images=ancient(plan.voc.ready_file(plan.protocol.test)),
        output:
            page=report(
                "results/retrieval/{protocol}/figure7.html",
                caption="../report/figure7.rst",
                category="6.1 Features without fine-tuning",
                subcategory="Figures",
                labels={"content": "Figure 7: nearest windows"},
            ),
        log:
            "results/logs/retrieval_figure7/{protocol}.log",
        params:
            devkit=plan.voc.labelled_devkit,
            photos_digest=lambda wildcards: [plan.voc.photos_digest(name) for name in plan.voc.image_sets],
            methods=[method for method, _ in plan.section6.nearest()],
            figure7=config["retrieval"]["figure7"],
            code=code("retrieval/retrieval_figure7.py"),
        message:
            "Figure 7: show {params.figure7[per_class]} queries of each class with their nearest windows"
        script:
            "../scripts/retrieval/retrieval_figure7.py"

    use rule retrieval_figure7 as retrieval_query with:
        output:
            page="results/retrieval/figure7/{image}-{object}.html",
        log:
            "results/logs/retrieval_query/{image}-{object}.log",
        wildcard_constraints:
            image="[^/]+",
            object=r"\d+",
        message:
            "Figure 7: show object {wildcards.object} of image {wildcards.image} with its nearest windows"
