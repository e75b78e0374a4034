# VOC: the photos of the detection experiment, as the evaluation protocol divides them.
#
# inputs   config voc.root: a VOCdevkit, or nothing yet where the official archives may be downloaded
# outputs  results/voc/VOC{year}.json once the archives lie unpacked under voc.root;
#          results/voc/proposals/{set}-{part}.npz
# steps    download and check what is missing, selective search in every image


rule voc_download:
    output:
        # Not the lists of images themselves: Snakemake deletes outputs before a job, and the devkit may be the user's.
        stamp=f"results/voc/VOC{plan.protocol.year}.json",
    log:
        "results/logs/voc_download.log",
    params:
        root=lambda wildcards: config["voc"]["root"],
        year=plan.protocol.year,
        image_sets=[plan.protocol.train, plan.protocol.test],
        code=code("voc/voc_download.py"),
    message:
        "Download what is missing of VOC {params.year} to {params.root}"
    script:
        "../scripts/voc/voc_download.py"


rule voc_proposals:
    input:
        images=lambda wildcards: plan.voc_files(wildcards.set),
    output:
        proposals="results/voc/proposals/{set}-{part}.npz",
    log:
        "results/logs/voc_proposals/{set}-{part}.log",
    threads: config["threads"]["detection"]
    params:
        voc=plan.voc,
        photos=plan.photos,
        images_per_part=config["detection"]["images_per_shard"],
        proposals=config["detection"]["proposals"],
        code=code("voc/voc_proposals.py"),
    message:
        "VOC {wildcards.set}, part {wildcards.part}: selective search, k = {params.proposals[k]}, at most {params.proposals[max_boxes]} boxes an image"
    script:
        "../scripts/voc/voc_proposals.py"


rule voc_object_crops:
    input:
        images=plan.voc_files(plan.protocol.train),
    output:
        folder=directory("results/voc/object_crops"),
    log:
        "results/logs/voc_object_crops.log",
    params:
        voc=plan.voc,
        photos=plan.photos,
        image_set=plan.protocol.train,
        code=code("voc/voc_object_crops.py"),
    message:
        "Crop the objects of VOC {params.image_set} into an ImageFolder"
    script:
        "../scripts/voc/voc_object_crops.py"
