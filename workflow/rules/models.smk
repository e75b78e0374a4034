# Models: the networks of the configuration's model graph. Each network is trained from its parent.
#
# inputs   the parent's weights, and the data of the way of training: patch shards, an ImageFolder, VOC and proposals, or
#          NYUv2's photos with true normals and the words of normals
# outputs  results/models/{path}/weights.safetensors, log.csv (loss and rate by iteration), conv1.png (its filters);
#          {path} is the model's name; a model that learned from the protocol's images lies in the protocol's folder;
#          card.md of each trained network, which says what it is, with its figures of the tables
# steps    one rule a way of training: random weights (none), random weights scaled by patches (scaled), given, ranking,
#          supervised (imagenet), finetuning (voc), normals; one job for all cards
from tracklearn.experiment.plan import count_gpus
from tracklearn.machine.limits import TRAINING_MB

# A GPU runs one training at a time. On a machine without a GPU, only the cores limit the number of trainings.
gpus = count_gpus() or workflow.resource_settings.cores
if gpus and "gpu" not in workflow.global_resources:
    workflow.register_resource("gpu", gpus)


# Priority of the other trainings: evaluations are shorter, so that few cores wait for the last of them.
BEFORE_EVALUATIONS = LONGEST_CHAIN - 1


rule models_random:
    output:
        weights="results/models/{path}/weights.safetensors",
        conv1="results/models/{path}/conv1.png",
    log:
        "results/logs/models_random/{path}.log",
    wildcard_constraints:
        path=names(plan.model_paths("none")),
    params:
        network=lambda wildcards: plan.network(wildcards.path),
        seed=lambda wildcards: plan.seed(wildcards.path),
        code=code("models/models_random.py"),
    message:
        "{wildcards.path}: draw random weights (seed {params.seed})"
    script:
        "../scripts/models/models_random.py"


rule models_scaled:
    input:
        stores=lambda wildcards: plan.subsets.shards(wildcards.path),
    output:
        weights="results/models/{path}/weights.safetensors",
        conv1="results/models/{path}/conv1.png",
    log:
        "results/logs/models_scaled/{path}.log",
    wildcard_constraints:
        path=names(plan.model_paths("scaled")),
    params:
        network=lambda wildcards: plan.network(wildcards.path),
        seed=lambda wildcards: plan.seed(wildcards.path),
        code=code("models/models_scaled.py"),
    message:
        "{wildcards.path}: scale random weights (seed {params.seed}) by patches"
    script:
        "../scripts/models/models_scaled.py"


rule models_given:
    input:
        given=lambda wildcards: plan.given_file(wildcards.path),
    output:
        weights="results/models/{path}/weights.safetensors",
        conv1="results/models/{path}/conv1.png",
    log:
        "results/logs/models_given/{path}.log",
    wildcard_constraints:
        path=names(plan.model_paths("given")),
    params:
        given=lambda wildcards: plan.model_entry(wildcards.path)["weights"],
        network=lambda wildcards: plan.network(wildcards.path),
        code=code("models/models_given.py"),
    message:
        "{wildcards.path}: check the given weights {params.given}"
    script:
        "../scripts/models/models_given.py"


rule models_ranking:
    input:
        stores=lambda wildcards: plan.subsets.shards(wildcards.path),
        parent=lambda wildcards: plan.parent(wildcards.path),
    output:
        weights="results/models/{path}/weights.safetensors",
        log="results/models/{path}/log.csv",
        conv1="results/models/{path}/conv1.png",
    log:
        "results/logs/models_ranking/{path}.log",
    wildcard_constraints:
        path=names(plan.model_paths("ranking")),
    priority: LONGEST_CHAIN
    threads: config["threads"]["train"]
    resources:
        gpu=config["gpus_per_training"],
        mem_mb=memory(config["gpus_per_training"] * TRAINING_MB),
    params:
        patches=lambda wildcards: plan.subsets.patches_wanted(wildcards.path),
        # What is derived from the input re-runs nothing. The digest stands for `inner`, and `strict` only decides whether
        # there is a result, not which one.
        inner=lambda wildcards, input: plan.subsets.inner_parts(wildcards.path),
        strict=lambda wildcards, input: plan.subsets.is_strict(wildcards.path),
        reading_order_digest=lambda wildcards: plan.subsets.reading_order_digest(wildcards.path),
        network=lambda wildcards: plan.network(wildcards.path),
        loss=lambda wildcards: plan.loss(wildcards.path),
        schedule=lambda wildcards: plan.schedule(wildcards.path),
        seed=lambda wildcards: plan.seed(wildcards.path),
        code=code("models/models_ranking.py"),
    message:
        "{wildcards.path}: ranking training (loss: {params.loss[form]}) on {params.schedule[batch]} patches at a time, {params.schedule[random_iterations]} iterations with random negatives (stages: {params.schedule[stages]}, iterations: {params.schedule[iterations]})"
    script:
        "../scripts/models/models_ranking.py"


IMAGENET = config["imagenet"]["folder"]
OBJECT_CROPS = f"results/voc/object_crops/{VOC}/{plan.protocol.train}"


rule models_supervised:
    input:
        # The folder is no input. If it is missing, this job fails and names it; no row of a table asks for this job.
        crops=[] if IMAGENET else OBJECT_CROPS,
        parent=lambda wildcards: plan.parent(wildcards.path),
    output:
        weights="results/models/{path}/weights.safetensors",
        log="results/models/{path}/log.csv",
        conv1="results/models/{path}/conv1.png",
    log:
        "results/logs/models_supervised/{path}.log",
    wildcard_constraints:
        path=names(plan.supervised_models()),
    priority: BEFORE_EVALUATIONS
    threads: config["threads"]["train"]
    resources:
        gpu=1,
        mem_mb=memory(TRAINING_MB),
    params:
        folder=IMAGENET or OBJECT_CROPS,
        image_folder_digest=lambda wildcards: plan.image_folder_digest(),
        network=lambda wildcards: plan.network(wildcards.path),
        schedule=lambda wildcards: plan.schedule(wildcards.path),
        seed=lambda wildcards: plan.seed(wildcards.path),
        code=code("models/models_supervised.py"),
    message:
        "{wildcards.path}: supervised training, {params.schedule[iterations]} iterations of {params.schedule[batch]} images"
    script:
        "../scripts/models/models_supervised.py"


rule models_finetuning:
    input:
        images=lambda wildcards: ancient(plan.voc.ready_file(plan.protocol.train)),
        proposals=lambda wildcards: plan.voc.proposals(plan.protocol.train),
        parent=lambda wildcards: plan.parent(wildcards.path),
    output:
        weights="results/models/{path}/weights.safetensors",
        log="results/models/{path}/log.csv",
        conv1="results/models/{path}/conv1.png",
    log:
        "results/logs/models_finetuning/{path}.log",
    wildcard_constraints:
        path=names(plan.model_paths("voc")),
    priority: BEFORE_EVALUATIONS
    threads: config["threads"]["train"]
    resources:
        gpu=1,
        mem_mb=memory(TRAINING_MB),
    params:
        devkit=plan.voc.labelled_devkit,
        photos_digest=lambda wildcards: plan.voc.photos_digest(plan.protocol.train),
        annotations_digest=lambda wildcards: plan.voc.annotations_digest(plan.protocol.train),
        image_set=plan.protocol.train,
        transfer=lambda wildcards: plan.model_entry(wildcards.path).get("transfer", "conv"),
        network=lambda wildcards: plan.network(wildcards.path),
        schedule=lambda wildcards: plan.schedule(wildcards.path),
        seed=lambda wildcards: plan.seed(wildcards.path),
        code=code("models/models_finetuning.py"),
    message:
        "{wildcards.path}: fine-tuning on VOC {params.image_set}, {params.schedule[iterations]} iterations of {params.schedule[batch]} windows"
    script:
        "../scripts/models/models_finetuning.py"


rule models_normals:
    input:
        truth="results/normals/truth.h5",
        codebook="results/normals/codebook.npz",
        parent=lambda wildcards: plan.parent(wildcards.path),
    output:
        weights="results/models/{path}/weights.safetensors",
        log="results/models/{path}/log.csv",
        conv1="results/models/{path}/conv1.png",
    log:
        "results/logs/models_normals/{path}.log",
    wildcard_constraints:
        path=names(plan.model_paths("normals")),
    priority: BEFORE_EVALUATIONS
    threads: config["threads"]["train"]
    resources:
        gpu=1,
        mem_mb=memory(JOB_MB),
    params:
        split_digest=lambda wildcards: plan.normals.split_digest(),
        settings=plan.normals.of_split("input_size", "fc7_std", "codebook.cells"),
        frozen=lambda wildcards: plan.model_entry(wildcards.path).get("frozen", False),
        network=lambda wildcards: plan.network(wildcards.path),
        schedule=lambda wildcards: plan.schedule(wildcards.path),
        seed=lambda wildcards: plan.seed(wildcards.path),
        code=code("models/models_normals.py"),
    message:
        "{wildcards.path}: training on surface normals, {params.schedule[iterations]} iterations of {params.schedule[batch]} images"
    script:
        "../scripts/models/models_normals.py"


# The page of all networks behind the tables.
rule models_page:
    input:
        logs=plan.model_files("log.csv", plan.trained_models()),
        filters=plan.model_files("conv1.png", plan.models_of_tables()),
    output:
        page=report(
            "results/models/{protocol}/models.html",
            caption="../report/models.rst",
            category="5 Learning from videos",
            subcategory="Pages",
            labels={"content": "Networks: curves and filters"},
        ),
    log:
        "results/logs/models_page/{protocol}.log",
    params:
        models={name: plan.model_entry(name) for name in plan.models_of_tables()},
        code=code("models/models_page.py"),
    message:
        "Write a page with the trainings and filters of all networks"
    script:
        "../scripts/models/models_page.py"


if plan.trained_models():

    rule models_card:
        input:
            weights=plan.cards.weights(),
            cells=plan.cards.cells(),
        output:
            cards=plan.cards.files(),
        log:
            "results/logs/models_card.log",
        params:
            models=lambda wildcards: plan.cards.described(),
            code=code("models/models_card.py"),
        message:
            "Write the cards of all trained networks"
        script:
            "../scripts/models/models_card.py"
