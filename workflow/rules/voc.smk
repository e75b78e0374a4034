# VOC: the photos of the detection experiment, as the evaluation protocol divides them.
#
# inputs   config voc.root: a VOCdevkit, or nothing yet where the official archives may be downloaded
# outputs  the archives unpacked under voc.root; results/detection/proposals/{set}-{part}.npz
# steps    download and check the archives, selective search in every image

if not plan.voc_is_here:

    rule voc_download:
        output:
            [plan.image_list(plan.protocol.train), plan.image_list(plan.protocol.test)],
        log:
            "results/logs/voc_download.log",
        params:
            root=lambda wildcards: config["voc"]["root"],
            year=plan.protocol.year,
            image_sets=[plan.protocol.train, plan.protocol.test],
            code=code("voc/voc_download.py"),
        message:
            "Download VOC {params.year} to {params.root}"
        script:
            "../scripts/voc/voc_download.py"


rule voc_proposals:
    input:
        images=lambda wildcards: plan.image_list(wildcards.set),
    output:
        proposals="results/detection/proposals/{set}-{part}.npz",
    log:
        "results/logs/voc_proposals/{set}-{part}.log",
    threads: config["threads"]["detection"]
    params:
        voc=plan.voc,
        images_per_part=config["detection"]["images_per_shard"],
        proposals=config["detection"]["proposals"],
        code=code("voc/voc_proposals.py"),
    message:
        "VOC {wildcards.set}, part {wildcards.part}: selective search, k = {params.proposals[k]}, at most {params.proposals[max_boxes]} boxes an image"
    script:
        "../scripts/voc/voc_proposals.py"
