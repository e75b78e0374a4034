# Normals: surface normals of NYUv2's rooms, predicted by networks that are fine-tuned on them. (PAPER §6.2.2, Table 2)
#
# inputs   NYUv2's labelled images and their split in config normals.nyuv2; with normals.download, they need not be there yet;
#          weights of models with train: normals (rule models_normals)
# outputs  results/normals/nyuv2.json, written when NYUv2 is there; results/normals/truth.h5: the true normals of all images;
#          results/normals/codebook.npz and .png: the words in which networks answer;
#          results/cells/table2/{protocol}/{model}.json and {method}.json: angular errors over the pixels of the test images;
#          results/normals/{protocol}/bootstraps/{model}.npz and {method}.npz: the same in each draw of the test images;
#          results/normals/{protocol}/figure8.png, .svg, .json and .html: test images with true and predicted normals
# steps    download; fit planes to the depth, or read given normals; cluster normals into words; compare what networks, and
#          what needs no network, predict with the truth; draw figure 8


rule normals_download:
    output:
        # NYUv2's files are no outputs: Snakemake deletes outputs before a job, and the user may own the folder.
        stamp="results/normals/nyuv2.json",
    log:
        "results/logs/normals_download.log",
    params:
        folder=config["normals"]["nyuv2"],
        code=code("normals/normals_download.py"),
    message:
        "Download NYUv2 to {params.folder} if it is not there (3 GB)"
    script:
        "../scripts/normals/normals_download.py"


rule normals_truth:
    input:
        # A digest among the parameters shows whether a file was replaced since.
        nyuv2=ancient(plan.normals.ready_file()),
    output:
        truth="results/normals/truth.h5",
    log:
        "results/logs/normals_truth.log",
    params:
        nyuv2=plan.normals.labeled,
        photos_digest=lambda wildcards: plan.normals.photos_digest(),
        given_digest=lambda wildcards: plan.normals.given_digest(),
        settings=(
            plan.normals.settings("given", "axes")
            if config["normals"]["given"]
            else plan.normals.settings("plane_fits")
        ),
        code=code("normals/normals_truth.py"),
    message:
        "Compute the true normals of {params.nyuv2}"
    script:
        "../scripts/normals/normals_truth.py"


rule normals_codebook:
    input:
        truth="results/normals/truth.h5",
    output:
        words="results/normals/codebook.npz",
        picture="results/normals/codebook.png",
    log:
        "results/logs/normals_codebook.log",
    params:
        split_digest=lambda wildcards: plan.normals.split_digest(),
        settings=plan.normals.of_split("codebook.words", "codebook.sample", "codebook.seed"),
        code=code("normals/normals_codebook.py"),
    message:
        "Cluster normals into {params.settings[codebook][words]} words"
    script:
        "../scripts/normals/normals_codebook.py"


rule normals_network:
    input:
        truth="results/normals/truth.h5",
        codebook="results/normals/codebook.npz",
        weights=lambda wildcards: plan.weights(wildcards.model),
    output:
        cell="results/cells/table2/{protocol}/{model}.json",
        replicates="results/normals/{protocol}/bootstraps/{model}.npz",
    log:
        "results/logs/normals_network/{protocol}/{model}.log",
    wildcard_constraints:
        model=names(plan.normals.computed_models()),
    threads: config["threads"]["detection"]
    resources:
        gpu=1,
        mem_mb=memory(JOB_MB),
    params:
        split_digest=lambda wildcards: plan.normals.split_digest(),
        settings=plan.normals.of_split("codebook.decoding", "bootstrap"),
        precision=config["features"]["precision"],
        code=code("normals/normals_network.py"),
    message:
        "{wildcards.model}: compare its normals of the test images with the true ones"
    script:
        "../scripts/normals/normals_network.py"


rule normals_baseline:
    input:
        truth="results/normals/truth.h5",
        codebook=lambda wildcards: "results/normals/codebook.npz" if wildcards.method == "words" else [],
    output:
        cell="results/cells/table2/{protocol}/{method}.json",
        replicates="results/normals/{protocol}/bootstraps/{method}.npz",
    log:
        "results/logs/normals_baseline/{protocol}/{method}.log",
    wildcard_constraints:
        method="mean_cells|camera_axis|words",
    params:
        split_digest=lambda wildcards: plan.normals.split_digest(),
        settings=lambda wildcards: plan.normals.of_baseline(wildcards.method),
        code=code("normals/normals_baseline.py"),
    message:
        "Compare the normals of {wildcards.method}, which need no network, with the true ones"
    script:
        "../scripts/normals/normals_baseline.py"


rule normals_figure8:
    input:
        truth="results/normals/truth.h5",
        codebook="results/normals/codebook.npz",
        weights=[plan.weights(model) for _, model in plan.normals.pictured()],
    output:
        png=report(
            "results/normals/{protocol}/figure8.png",
            caption="../report/figure8.rst",
            category="6.2.2 Surface normals",
            subcategory="Figures",
            labels={"content": "Figure 8: normals of rooms"},
        ),
        svg="results/normals/{protocol}/figure8.svg",
        description="results/normals/{protocol}/figure8.json",
        page=report(
            "results/normals/{protocol}/figure8.html",
            caption="../report/figure8.rst",
            category="6.2.2 Surface normals",
            subcategory="Figures",
            labels={"content": "Figure 8 as a page"},
        ),
    log:
        "results/logs/normals_figure8/{protocol}.log",
    threads: config["threads"]["detection"]
    resources:
        gpu=1,
        mem_mb=memory(JOB_MB),
    params:
        precision=config["features"]["precision"],
        labels=[label for label, _ in plan.normals.pictured()],
        split_digest=lambda wildcards: plan.normals.split_digest(),
        settings=plan.normals.of_split("codebook.decoding"),
        number=config["figures"]["normals"],
        seed=config["figures"]["seed"],
        protocol=plan.protocol.name,
        notes=plan.normals.figure8_notes(),
        code=code("normals/normals_figure8.py"),
    message:
        "Figure 8: draw {params.number} test images with their true and predicted normals"
    script:
        "../scripts/normals/normals_figure8.py"
