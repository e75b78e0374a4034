# Models: every network of the config's model graph, each trained from its parent.
#
# inputs   the parent's weights and what the way of training needs: patch shards, an ImageFolder, or VOC and proposals
# outputs  results/models/{model}/weights.safetensors, log.csv (loss and rate by iteration), conv1.png (its filters)
# steps    one rule a way of training: none (random weights), given, ranking, imagenet, voc


def model(wildcards):
    return config["models"][wildcards.model]


def schedule(wildcards):
    return config["schedules"][model(wildcards)["schedule"]]


def seed(wildcards):
    return model(wildcards).get("seed", 0)


def parent(wildcards):
    """The parent's weights, or nothing where training starts from random ones."""
    name = model(wildcards).get("from", "random")
    return [] if name == "random" else f"results/models/{name}/weights.safetensors"


def only(way):
    """Wildcard constraint: the names of the models trained in this way (a name that cannot be, where there are none)."""
    return "|".join(map(re.escape, experiment.trained_by(config, way))) or "(?!)"


rule models_none:
    output:
        weights="results/models/{model}/weights.safetensors",
        conv1="results/models/{model}/conv1.png",
    params:
        network=config["network"],
        seed=seed,
        code=code("models/models_none.py"),
    wildcard_constraints:
        model=only("none"),
    log:
        "results/logs/models_none/{model}.log",
    message:
        "{wildcards.model}: draw random weights (seed {params.seed})"
    script:
        "../scripts/models/models_none.py"


rule models_given:
    input:
        given=lambda wildcards: model(wildcards)["weights"],
    output:
        weights="results/models/{model}/weights.safetensors",
        conv1="results/models/{model}/conv1.png",
    params:
        code=code("models/models_given.py"),
    wildcard_constraints:
        model=only("given"),
    log:
        "results/logs/models_given/{model}.log",
    message:
        "{wildcards.model}: check and take the given weights {input.given}"
    script:
        "../scripts/models/models_given.py"


rule models_ranking:
    input:
        stores=lambda wildcards: subset_stores(model(wildcards)["subset"]),
        parent=parent,
    output:
        weights="results/models/{model}/weights.safetensors",
        log="results/models/{model}/log.csv",
        conv1="results/models/{model}/conv1.png",
    params:
        patches=lambda wildcards: config["subsets"][model(wildcards)["subset"]].get("patches"),
        network=config["network"],
        loss=config["ranking"],
        schedule=schedule,
        seed=seed,
        code=code("models/models_ranking.py"),
    wildcard_constraints:
        model=only("ranking"),
    log:
        "results/logs/models_ranking/{model}.log",
    threads: config["threads"]["train"]
    resources:
        gpu=1,
    priority: 10
    message:
        "{wildcards.model}: ranking training, {params.schedule[iterations]} iterations of {params.schedule[batch]} patches"
    script:
        "../scripts/models/models_ranking.py"


rule models_imagenet:
    input:
        folder=lambda wildcards: config["imagenet"]["folder"] or "results/models/object_crops",
        parent=parent,
    output:
        weights="results/models/{model}/weights.safetensors",
        log="results/models/{model}/log.csv",
        conv1="results/models/{model}/conv1.png",
    params:
        network=config["network"],
        schedule=schedule,
        seed=seed,
        code=code("models/models_imagenet.py"),
    wildcard_constraints:
        model=only("imagenet"),
    log:
        "results/logs/models_imagenet/{model}.log",
    threads: config["threads"]["train"]
    resources:
        gpu=1,
    priority: 5
    message:
        "{wildcards.model}: supervised training, {params.schedule[iterations]} iterations of {params.schedule[batch]} images"
    script:
        "../scripts/models/models_imagenet.py"


rule models_voc:
    input:
        images=image_list(PROTOCOL.train),
        proposals=parts("results/detection/proposals/{set}-{part}.npz", PROTOCOL.train),
        parent=parent,
    output:
        weights="results/models/{model}/weights.safetensors",
        log="results/models/{model}/log.csv",
        conv1="results/models/{model}/conv1.png",
    params:
        voc=VOC,
        image_set=PROTOCOL.train,
        transfer=lambda wildcards: model(wildcards).get("transfer", "conv"),
        network=config["network"],
        schedule=schedule,
        seed=seed,
        code=code("models/models_voc.py"),
    wildcard_constraints:
        model=only("voc"),
    log:
        "results/logs/models_voc/{model}.log",
    threads: config["threads"]["train"]
    resources:
        gpu=1,
    message:
        "{wildcards.model}: fine-tuning on VOC {params.image_set}, {params.schedule[iterations]} iterations of {params.schedule[batch]} windows"
    script:
        "../scripts/models/models_voc.py"


rule models_object_crops:
    input:
        images=image_list(PROTOCOL.train),
    output:
        folder=directory("results/models/object_crops"),
    params:
        voc=VOC,
        image_set=PROTOCOL.train,
        code=code("models/models_object_crops.py"),
    log:
        "results/logs/models_object_crops.log",
    message:
        "Crop the objects of VOC {params.image_set} into an ImageFolder"
    script:
        "../scripts/models/models_object_crops.py"
