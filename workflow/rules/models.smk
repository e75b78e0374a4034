# Models: every network of the config's model graph, each trained from its parent.
#
# inputs   the parent's weights and what the way of training needs: patch shards, an ImageFolder, or VOC and proposals
# outputs  results/models/{model}/weights.safetensors, log.csv (loss and rate by iteration), conv1.png (its filters)
# steps    one rule a way of training: none (random weights), given, ranking, imagenet, voc


rule models_random:
    output:
        weights="results/models/{model}/weights.safetensors",
        conv1="results/models/{model}/conv1.png",
    log:
        "results/logs/models_random/{model}.log",
    wildcard_constraints:
        model=names(plan.trained_by("none")),
    params:
        network=config["network"],
        seed=lambda wildcards: plan.seed(wildcards.model),
        code=code("models/models_random.py"),
    message:
        "{wildcards.model}: draw random weights (seed {params.seed})"
    script:
        "../scripts/models/models_random.py"


rule models_given:
    input:
        given=lambda wildcards: plan.model(wildcards.model)["weights"],
    output:
        weights="results/models/{model}/weights.safetensors",
        conv1="results/models/{model}/conv1.png",
    log:
        "results/logs/models_given/{model}.log",
    wildcard_constraints:
        model=names(plan.trained_by("given")),
    params:
        network=config["network"],
        code=code("models/models_given.py"),
    message:
        "{wildcards.model}: check and take the given weights {input.given}"
    script:
        "../scripts/models/models_given.py"


rule models_ranking:
    input:
        stores=lambda wildcards: plan.stores(wildcards.model),
        parent=lambda wildcards: plan.parent(wildcards.model),
    output:
        weights="results/models/{model}/weights.safetensors",
        log="results/models/{model}/log.csv",
        conv1="results/models/{model}/conv1.png",
    log:
        "results/logs/models_ranking/{model}.log",
    wildcard_constraints:
        model=names(plan.trained_by("ranking")),
    priority: 10
    threads: config["threads"]["train"]
    resources:
        gpu=config["gpus_per_training"],
    params:
        patches=lambda wildcards: plan.patches_wanted(wildcards.model),
        network=config["network"],
        loss=config["ranking"],
        schedule=lambda wildcards: plan.schedule(wildcards.model),
        seed=lambda wildcards: plan.seed(wildcards.model),
        code=code("models/models_ranking.py"),
    message:
        "{wildcards.model}: ranking training, {params.schedule[iterations]} iterations of {params.schedule[batch]} patches"
    script:
        "../scripts/models/models_ranking.py"


IMAGENET = config["imagenet"]["folder"]


rule models_supervised:
    input:
        # A folder that is missing is named by the job: the rows that do not need it can still be planned and computed.
        crops=[] if IMAGENET else "results/voc/object_crops",
        parent=lambda wildcards: plan.parent(wildcards.model),
    output:
        weights="results/models/{model}/weights.safetensors",
        log="results/models/{model}/log.csv",
        conv1="results/models/{model}/conv1.png",
    log:
        "results/logs/models_supervised/{model}.log",
    wildcard_constraints:
        model=names(plan.trained_by("imagenet")),
    priority: 5
    threads: config["threads"]["train"]
    resources:
        gpu=1,
    params:
        folder=IMAGENET or "results/voc/object_crops",
        images=plan.image_folder,
        network=config["network"],
        schedule=lambda wildcards: plan.schedule(wildcards.model),
        seed=lambda wildcards: plan.seed(wildcards.model),
        code=code("models/models_supervised.py"),
    message:
        "{wildcards.model}: supervised training, {params.schedule[iterations]} iterations of {params.schedule[batch]} images"
    script:
        "../scripts/models/models_supervised.py"


rule models_finetuning:
    input:
        images=plan.voc_files(plan.protocol.train),
        proposals=plan.parts("results/voc/proposals/{set}-{part}.npz", plan.protocol.train),
        parent=lambda wildcards: plan.parent(wildcards.model),
    output:
        weights="results/models/{model}/weights.safetensors",
        log="results/models/{model}/log.csv",
        conv1="results/models/{model}/conv1.png",
    log:
        "results/logs/models_finetuning/{model}.log",
    wildcard_constraints:
        model=names(plan.trained_by("voc")),
    threads: config["threads"]["train"]
    resources:
        gpu=1,
    params:
        voc=plan.voc,
        photos=plan.photos,
        image_set=plan.protocol.train,
        transfer=lambda wildcards: plan.model(wildcards.model).get("transfer", "conv"),
        network=config["network"],
        schedule=lambda wildcards: plan.schedule(wildcards.model),
        seed=lambda wildcards: plan.seed(wildcards.model),
        code=code("models/models_finetuning.py"),
    message:
        "{wildcards.model}: fine-tuning on VOC {params.image_set}, {params.schedule[iterations]} iterations of {params.schedule[batch]} windows"
    script:
        "../scripts/models/models_finetuning.py"
