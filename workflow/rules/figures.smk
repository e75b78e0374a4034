# Figures: the paper's figures 2, 3, 5 and 6 in print quality, and a page that lays the paper's, and figure 8, beside ours.
#
# inputs   results/videos/{shard}.tsv, results/mining/{shard}/frames.csv, results/patches/{shard}.h5, weights of models,
#          results/voc/proposals/VOC{year}/{evaluation set}-{part}.npz, VOC's photos and annotations
# outputs  results/figures/figure2 (frames with their points) and figure3 (pairs); results/figures/{protocol}/figure5 (units
#          of pool5) and figure6 (filters of conv1), which depend on the evaluation; each as .png, .svg, and as .json, which
#          says what was drawn; results/figures/{protocol}/figures.html; results/figures.html: the page of the configured protocol
# steps    draw frames and pairs by a seed; find the windows that excite each unit most; draw; write the page


rule figures_frames:
    input:
        manifests=lambda wildcards: expand("results/videos/{shard}.tsv", shard=plan.figures.shards()),
        frames=lambda wildcards: expand("results/mining/{shard}/frames.csv", shard=plan.figures.shards()),
    output:
        png=report(
            "results/figures/figure2.png",
            caption="../report/figure2.rst",
            category="4 Patch mining",
            subcategory="Figures",
            labels={"content": "Figure 2: frames with their points"},
        ),
        svg="results/figures/figure2.svg",
        description="results/figures/figure2.json",
    log:
        "results/logs/figures_frames.log",
    params:
        number=config["figures"]["frames"],
        seed=config["figures"]["seed"],
        frame=config["mining"]["frame"],
        filtering={
            key: value
            for key, value in config["mining"]["filter"].items()
            if key not in ("every", "max_pairs_per_video")
        },
        resample_fps=config["mining"]["resample_fps"],
        code=code("figures/figures_frames.py"),
    message:
        "Figure 2: draw {params.number} frames of each verdict with their points"
    script:
        "../scripts/figures/figures_frames.py"


rule figures_pairs:
    input:
        stores=lambda wildcards: expand("results/patches/{shard}.h5", shard=plan.figures.shards()),
    output:
        png=report(
            "results/figures/figure3.png",
            caption="../report/figure3.rst",
            category="4 Patch mining",
            subcategory="Figures",
            labels={"content": "Figure 3: mined pairs"},
        ),
        svg="results/figures/figure3.svg",
        description="results/figures/figure3.json",
    log:
        "results/logs/figures_pairs.log",
    params:
        number=config["figures"]["pairs"],
        seed=config["figures"]["seed"],
        code=code("figures/figures_pairs.py"),
    message:
        "Figure 3: draw {params.number} pairs"
    script:
        "../scripts/figures/figures_pairs.py"


rule figures_units:
    input:
        weights=lambda wildcards: plan.figures.weights("figure5"),
        proposals=lambda wildcards: plan.voc.proposals(plan.protocol.test),
        # A digest among the parameters shows whether a file was replaced since.
        images=ancient(plan.voc.ready_file(plan.protocol.test)),
    output:
        png=report(
            "results/figures/{protocol}/figure5.png",
            caption="../report/figure5.rst",
            category="6.1 Features without fine-tuning",
            subcategory="Figures",
            labels={"content": "Figure 5: units of pool5"},
        ),
        svg="results/figures/{protocol}/figure5.svg",
        description="results/figures/{protocol}/figure5.json",
    log:
        "results/logs/figures_units/{protocol}.log",
    threads: config["threads"]["detection"]
    resources:
        gpu=config["features"]["processes"],
        mem_mb=memory(COMPUTING_MB),
    params:
        devkit=plan.voc.labelled_devkit,
        photos_digest=lambda wildcards: plan.voc.photos_digest(plan.protocol.test),
        annotations_digest=lambda wildcards: plan.voc.annotations_digest(plan.protocol.test),
        features=plan.feature_settings("pool5", ground_truth=False),
        chosen={key: config["figures"][key] for key in ("units", "windows", "proposals")},
        model=config["figures"]["unit_model"],
        code=code("figures/figures_units.py"),
    message:
        "Figure 5: draw {params.chosen[units]} units of pool5 of {params.model} with {params.chosen[windows]} windows each"
    script:
        "../scripts/figures/figures_units.py"


rule figures_filters:
    input:
        weights=lambda wildcards: plan.figures.weights("figure6"),
    output:
        png=report(
            "results/figures/{protocol}/figure6.png",
            caption="../report/figure6.rst",
            category="6.1 Features without fine-tuning",
            subcategory="Figures",
            labels={"content": "Figure 6: filters of conv1"},
        ),
        svg="results/figures/{protocol}/figure6.svg",
        description="results/figures/{protocol}/figure6.json",
    log:
        "results/logs/figures_filters/{protocol}.log",
    params:
        models=plan.figures.models("figure6"),
        notes=plan.figures.figure6_notes(),
        code=code("figures/figures_filters.py"),
    message:
        "Figure 6: draw the filters of conv1 of {params.models} on one scale"
    script:
        "../scripts/figures/figures_filters.py"


rule figures_page:
    input:
        pngs=plan.figures.files(".png"),
        svgs=plan.figures.files(".svg"),
        descriptions=plan.figures.files(".json"),
    output:
        page=report(
            "results/figures/{protocol}/figures.html",
            caption="../report/figures.rst",
            category="Figures beside the paper's",
            subcategory="Figures",
            labels={"content": "Figures 2, 3, 5 and 6, with links to 7 and 8"},
        ),
    log:
        "results/logs/figures_page/{protocol}.log",
    params:
        left_out=plan.figures.left_out(),
        # The page only links to that of figure 7, which is a target of its own.
        pages=plan.figures.pages(),
        protocol=plan.protocol.name,
        code=code("figures/figures_page.py"),
    message:
        "Lay the paper's figures beside those of protocol {params.protocol}"
    script:
        "../scripts/figures/figures_page.py"


# The page links to files below results/. Seen from its own folder they lie two folders up, seen from results/ none.
rule figures_configured:
    input:
        file=f"results/figures/{plan.protocol.name}/figures.html",
    output:
        copied="results/figures.html",
    log:
        "results/logs/figures_configured.log",
    localrule: True
    params:
        code=code("figures/figures_configured.py"),
    message:
        "Copy the page of the configured protocol's figures"
    script:
        "../scripts/figures/figures_configured.py"
