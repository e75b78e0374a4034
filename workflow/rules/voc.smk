# VOC: the photos of the detection experiment, divided by the evaluation protocol, and boxes in these photos.
#
# inputs   config voc.root: a VOCdevkit; with voc.download, the folder need not exist yet
# outputs  results/voc/VOC{year}/{archive}.json, written when the archives lie unpacked under voc.root;
#          results/voc/proposals/VOC{year}/{set}-{part}.npz; results/voc/object_crops/VOC{year}/{set}: an ImageFolder
# steps    download and check missing archives, run selective search in every image, crop the annotated objects
VOC = f"VOC{plan.protocol.year}"


rule voc_download:
    output:
        # The lists of images are no outputs: Snakemake deletes outputs before a job, and the user may own the devkit.
        stamp=f"results/voc/{VOC}/{{archive}}.json",
    log:
        f"results/logs/voc_download/{VOC}/{{archive}}.log",
    wildcard_constraints:
        archive="trainval|test",
    params:
        root=lambda wildcards: config["voc"]["root"],
        year=plan.protocol.year,
        image_sets=lambda wildcards: [wildcards.archive],
        code=code("voc/voc_download.py"),
    message:
        "Download the missing archives of VOC {params.year} to {params.root}"
    script:
        "../scripts/voc/voc_download.py"


rule voc_proposals:
    input:
        # A digest among the parameters shows whether a file was replaced since.
        images=lambda wildcards: ancient(plan.voc.ready_file(wildcards.set)),
    output:
        proposals=f"results/voc/proposals/{VOC}/{{set}}-{{part}}.npz",
    log:
        f"results/logs/voc_proposals/{VOC}/{{set}}-{{part}}.log",
    threads: config["threads"]["detection"]
    params:
        devkit=plan.voc.devkit,
        photos_digest=lambda wildcards: plan.voc.photos_digest(wildcards.set, int(wildcards.part)),
        images_per_part=config["voc"]["images_per_part"],
        proposals=config["voc"]["proposals"],
        code=code("voc/voc_proposals.py"),
    message:
        "VOC {wildcards.set}, part {wildcards.part}: run selective search, k = {params.proposals[k]}, at most {params.proposals[max_boxes]} boxes an image"
    script:
        "../scripts/voc/voc_proposals.py"


rule voc_object_crops:
    input:
        # A digest among the parameters shows whether a file was replaced since.
        images=lambda wildcards: ancient(plan.voc.ready_file(wildcards.set)),
    output:
        folder=directory(f"results/voc/object_crops/{VOC}/{{set}}"),
    log:
        f"results/logs/voc_object_crops/{VOC}/{{set}}.log",
    params:
        devkit=plan.voc.labelled_devkit,
        photos_digest=lambda wildcards: plan.voc.photos_digest(wildcards.set),
        annotations_digest=lambda wildcards: plan.voc.annotations_digest(wildcards.set),
        code=code("voc/voc_object_crops.py"),
    message:
        "Crop the objects of VOC {wildcards.set} into an ImageFolder"
    script:
        "../scripts/voc/voc_object_crops.py"
