# VOC: the photos of the detection experiment, as the evaluation protocol divides them.
#
# inputs   config voc.root: a VOCdevkit, or nothing yet where the official archives may be downloaded
# outputs  the archives unpacked under voc.root; results/detection/proposals/{set}-{part}.npz
# steps    download and check the archives, selective search in every image
from tracklearn.detection.protocols import CLASSES, protocol_named, read_image_set, official_size

try:
    PROTOCOL = protocol_named(config["detection"]["protocol"])
except UserError as error:
    stop(error)

VOC_CLASSES = list(config["voc"]["classes"] or CLASSES)
VOC = {"voc": config["voc"]["root"], "year": PROTOCOL.year, "classes": VOC_CLASSES}


def image_list(image_set):
    return f"{config['voc']['root']}/VOC{PROTOCOL.year}/ImageSets/Main/{image_set}.txt"


VOC_IS_HERE = Path(image_list(PROTOCOL.train)).exists() and Path(image_list(PROTOCOL.test)).exists()


def voc_size(image_set):
    """Images in a set: counted where VOC is at hand, known for the official sets before they are downloaded."""
    try:
        if VOC_IS_HERE:
            PROTOCOL.check(config["voc"]["root"])
            return len(read_image_set(config["voc"]["root"], year=PROTOCOL.year, image_set=image_set))
        if not config["voc"]["download"]:
            stop(
                f"{image_list(PROTOCOL.train)}: not there; point voc.root at a folder that holds VOC{PROTOCOL.year}, "
                "or set voc.download: true"
            )
        return official_size(PROTOCOL.year, image_set)
    except UserError as error:
        stop(error)


PARTS = {
    image_set: range(ceil(voc_size(image_set) / config["detection"]["images_per_shard"]))
    for image_set in (PROTOCOL.train, PROTOCOL.test)
}


def parts(pattern, image_set, **wildcards):
    """Files of all parts of an image set, in the order of its images."""
    return [pattern.format(set=image_set, part=part, **wildcards) for part in PARTS[image_set]]


if not VOC_IS_HERE:

    rule voc_download:
        output:
            [image_list(PROTOCOL.train), image_list(PROTOCOL.test)],
        params:
            root=config["voc"]["root"],
            year=PROTOCOL.year,
            code=code("voc/voc_download.py"),
        log:
            "results/logs/voc_download.log",
        message:
            "Download VOC {params.year} to {params.root}"
        script:
            "../scripts/voc/voc_download.py"


rule voc_proposals:
    input:
        images=lambda wildcards: image_list(wildcards.set),
    output:
        proposals="results/detection/proposals/{set}-{part}.npz",
    params:
        voc=VOC,
        images_per_shard=config["detection"]["images_per_shard"],
        proposals=config["detection"]["proposals"],
        code=code("voc/voc_proposals.py"),
    log:
        "results/logs/voc_proposals/{set}-{part}.log",
    threads: config["threads"]["detection"]
    message:
        "VOC {wildcards.set}, part {wildcards.part}: selective search, k = {params.proposals[k]}, at most {params.proposals[max_boxes]} boxes an image"
    script:
        "../scripts/voc/voc_proposals.py"
