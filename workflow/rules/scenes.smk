# Scenes: categories of whole photos, predicted from a network's features or from GIST, without fine-tuning. (PAPER §6.1)
#
# inputs   the model's weights; config scenes.root: a folder with one folder of photos a category; with scenes.download,
#          MIT Indoor-67 need not be there yet
# outputs  results/scenes/indoor67.json, written when the photos lie unpacked under scenes.root;
#          results/cells/section6/{protocol}/scenes/{model}.json and gist.json: accuracy over photos and categories;
#          results/scenes/{protocol}/bootstraps/{model}.npz and gist.npz: the same in each draw of the test photos;
#          results/scenes/{protocol}/{model}.png and gist.png: which categories are taken for which
# steps    download and check the photos; describe each photo as a whole; choose regularisation on a part of the training
#          photos, train a linear softmax (or an SVM on GIST) on all of them, and count right predictions; nearest photos
#          vote beside it


rule scenes_download:
    output:
        # The lists of photos are no outputs: Snakemake deletes outputs before a job, and the user may own the folder.
        stamp="results/scenes/indoor67.json",
    log:
        "results/logs/scenes_download.log",
    threads: config["threads"]["download"]
    params:
        root=config["scenes"]["root"],
        code=code("scenes/scenes_download.py"),
    message:
        "Download MIT Indoor-67 to {params.root} if it is not there"
    script:
        "../scripts/scenes/scenes_download.py"


rule scenes_network:
    input:
        weights=lambda wildcards: plan.weights(wildcards.model),
        # A digest among the parameters shows whether a photo was replaced since.
        photos=ancient(plan.scenes.ready_file()),
    output:
        cell="results/cells/section6/{protocol}/scenes/{model}.json",
        replicates="results/scenes/{protocol}/bootstraps/{model}.npz",
        confusion="results/scenes/{protocol}/{model}.png",
    log:
        "results/logs/scenes_network/{protocol}/{model}.log",
    wildcard_constraints:
        model=names(plan.section6.scenes_models()),
    threads: config["threads"]["detection"]
    resources:
        gpu=1,
        mem_mb=memory(JOB_MB),
    params:
        photos_digest=lambda wildcards: plan.scenes.digest(),
        scenes=plan.scenes.settings("gist", "svm"),
        precision=config["features"]["precision"],
        code=code("scenes/scenes_network.py"),
    message:
        "{wildcards.model}: classify the photos of {params.scenes[root]} by {params.scenes[layer]}"
    script:
        "../scripts/scenes/scenes_network.py"


rule scenes_gist:
    input:
        # A digest among the parameters shows whether a photo was replaced since.
        photos=ancient(plan.scenes.ready_file()),
    output:
        cell="results/cells/section6/{protocol}/scenes/gist.json",
        replicates="results/scenes/{protocol}/bootstraps/gist.npz",
        confusion="results/scenes/{protocol}/gist.png",
    log:
        "results/logs/scenes_gist/{protocol}.log",
    threads: config["threads"]["detection"]
    params:
        photos_digest=lambda wildcards: plan.scenes.digest(),
        scenes=plan.scenes.settings("layer", "softmax"),
        code=code("scenes/scenes_gist.py"),
    message:
        "Classify the photos of {params.scenes[root]} by GIST and an SVM"
    script:
        "../scripts/scenes/scenes_gist.py"


rule scenes_page:
    input:
        confusions=plan.section6.confusions(),
    output:
        page=report(
            "results/scenes/{protocol}/scenes.html",
            caption="../report/scenes.rst",
            category="6.1 Features without fine-tuning",
            subcategory="Pages",
            labels={"content": "Scenes that are taken for others"},
        ),
    log:
        "results/logs/scenes_page/{protocol}.log",
    params:
        code=code("scenes/scenes_page.py"),
    message:
        "Write a page that shows which scenes are taken for which"
    script:
        "../scripts/scenes/scenes_page.py"
