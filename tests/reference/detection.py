"""The procedures of R-CNN and VOC, written as loops from their definitions."""

import math

import numpy as np


def loops_iou(a, b):
    """Intersection over union of two boxes; the pixels at both ends belong to a box."""
    width = min(a[2], b[2]) - max(a[0], b[0]) + 1
    height = min(a[3], b[3]) - max(a[1], b[1]) + 1
    if width <= 0 or height <= 0:
        return 0.0
    shared = width * height
    areas = (a[2] - a[0] + 1) * (a[3] - a[1] + 1) + (b[2] - b[0] + 1) * (b[3] - b[1] + 1)
    return shared / (areas - shared)


def loops_nms(boxes, scores, overlap):
    """Keep the best box, drop the boxes that overlap it by more than `overlap`, and repeat with the remaining boxes."""
    remaining = list(range(len(boxes)))
    kept = []
    while remaining:
        best = remaining[0]
        for index in remaining:
            if scores[index] > scores[best]:
                best = index
        kept.append(best)
        remaining = [index for index in remaining if index != best and loops_iou(boxes[best], boxes[index]) <= overlap]
    return kept


def loops_detections(images, *, top, cap, overlap):
    """rcnn_test.m and imdb_eval_voc.m for one class: each image is a list of (box, score).

    The `top` boxes of each image are taken in turn. Whenever more than `cap` boxes are held, the score of the last of
    the best `cap` becomes the threshold, and the boxes below it go. What remains of an image is suppressed.
    Returns pairs (image, box).
    """
    held, threshold = [], -math.inf
    for image, boxes in enumerate(images):
        best = sorted(boxes, key=lambda pair: -pair[1])[:top]
        held += [(image, box, score) for box, score in best if score >= threshold]
        if cap is not None and len(held) > cap:
            threshold = sorted((score for _, _, score in held), reverse=True)[cap - 1]
            held = [each for each in held if each[2] >= threshold]
    kept = []
    for image in range(len(images)):
        boxes = [box for other, box, _ in held if other == image]
        scores = [score for other, _, score in held if other == image]
        kept += [(image, tuple(boxes[index])) for index in loops_nms(boxes, scores, overlap)]
    return kept


def round_away(value):
    """Round as C's round() does: halves away from zero."""
    return int(math.copysign(math.floor(abs(value) + 0.5), value))


def loops_warp(image, box, mean, size, context):
    """rcnn_im_crop.m: one window, pixel by pixel; bilinear, with aligned pixel centres and repeated edges."""
    scale = size / (size - 2 * context)
    half_width, half_height = (box[2] - box[0] + 1) / 2, (box[3] - box[1] + 1) / 2
    centre_x, centre_y = box[0] + half_width, box[1] + half_height
    left, right = round_away(centre_x - half_width * scale), round_away(centre_x + half_width * scale)
    top, bottom = round_away(centre_y - half_height * scale), round_away(centre_y + half_height * scale)
    scale_x, scale_y = size / (right - left + 1), size / (bottom - top + 1)
    pad_x, pad_y = round_away(max(0, -left) * scale_x), round_away(max(0, -top) * scale_y)
    left, top = max(0, left), max(0, top)
    right, bottom = min(image.shape[1] - 1, right), min(image.shape[0] - 1, bottom)
    width = min(round_away((right - left + 1) * scale_x), size - pad_x)
    height = min(round_away((bottom - top + 1) * scale_y), size - pad_y)
    window = np.empty((size, size, 3))
    window[:] = mean
    crop = image[top : bottom + 1, left : right + 1].astype(float)
    for y in range(height):
        for x in range(width):
            v = min(max((y + 0.5) * crop.shape[0] / height - 0.5, 0), crop.shape[0] - 1)
            u = min(max((x + 0.5) * crop.shape[1] / width - 0.5, 0), crop.shape[1] - 1)
            y0, x0 = int(v), int(u)
            y1, x1 = min(y0 + 1, crop.shape[0] - 1), min(x0 + 1, crop.shape[1] - 1)
            upper = (1 - u + x0) * crop[y0, x0] + (u - x0) * crop[y0, x1]
            lower = (1 - u + x0) * crop[y1, x0] + (u - x0) * crop[y1, x1]
            window[pad_y + y, pad_x + x] = (1 - v + y0) * upper + (v - y0) * lower
    return window


def loops_average_precision(detections, objects):
    """VOCevaldet.m and VOCap.m: (all-point, 11-point) average precision of one class.

    `detections` are (score, image, box); `objects` are {image: [(box, difficult)]}.
    """
    total = sum(not difficult for labelled in objects.values() for _, difficult in labelled)
    taken = set()
    right, wrong, recall, precision = 0, 0, [], []
    for _, image, box in sorted(detections, key=lambda detection: -detection[0]):
        overlap, best = -1.0, None
        for index, (other, _) in enumerate(objects.get(image, [])):
            if loops_iou(box, other) > overlap:
                overlap, best = loops_iou(box, other), index
        if overlap >= 0.5:
            if objects[image][best][1]:
                continue
            if (image, best) in taken:
                wrong += 1
            else:
                taken.add((image, best))
                right += 1
        else:
            wrong += 1
        recall.append(right / total)
        precision.append(right / (right + wrong))
    ends, heights = [0.0, *recall, 1.0], [0.0, *precision, 0.0]
    for index in range(len(heights) - 2, -1, -1):
        heights[index] = max(heights[index], heights[index + 1])
    all_point = sum((ends[i] - ends[i - 1]) * heights[i] for i in range(1, len(ends)))
    eleven_point = 0.0
    for tenth in range(11):
        reached = [p for r, p in zip(recall, precision, strict=True) if r >= tenth / 10 - 1e-12]
        eleven_point += max(reached, default=0) / 11
    return all_point, eleven_point


def loops_kinds(detections, objects, label):
    """The kind of each detection of a class by falling score, and the missed objects (Hoiem et al.; TIDE).

    `detections` are (score, image, box); `objects` are {image: [(box, label, difficult)]}.
    """
    taken, kinds = set(), []
    for _, image, box in sorted(detections, key=lambda detection: -detection[0]):
        here = [(loops_iou(box, other), index, *rest) for index, (other, *rest) in enumerate(objects.get(image, []))]
        own = max((each for each in here if each[2] == label), key=lambda each: (each[0], -each[1]), default=None)
        others = max((each[0] for each in here if each[2] != label), default=0)
        overlap = own[0] if own else 0
        if overlap >= 0.5 and own[3]:
            kinds.append("ignored")
        elif overlap >= 0.5 and (image, own[1]) in taken:
            kinds.append("double")
        elif overlap >= 0.5:
            taken.add((image, own[1]))
            kinds.append("right")
        elif overlap >= 0.1:
            kinds.append("localisation")
        else:
            kinds.append("other class" if others >= 0.1 else "background")
    wanted = [
        (image, index)
        for image, labelled in objects.items()
        for index, (_, name, difficult) in enumerate(labelled)
        if name == label and not difficult
    ]
    return kinds, [each for each in wanted if each not in taken]


def loops_curve(scores, kinds, total):
    """(score, precision, recall, F1) at each distinct score, falling, of a class with `total` objects."""
    points = []
    for threshold in sorted(
        {score for score, kind in zip(scores, kinds, strict=True) if kind != "ignored"}, reverse=True
    ):
        taken = [kind for score, kind in zip(scores, kinds, strict=True) if score >= threshold and kind != "ignored"]
        right = taken.count("right")
        precision, recall = right / len(taken), right / total
        points.append((threshold, precision, recall, 2 * precision * recall / (precision + recall) if right else 0))
    return points


def loops_mining(images, positives, fit, *, hard, evict, retrain_every):
    """rcnn_train.m for one class: each image is a list of negatives (D,), and `fit` returns weights and bias.

    Returns weights and bias of the detector, and the number of negatives in each training.
    """
    weights, bias = np.zeros(positives.shape[1]), 0.0
    cache, cache_sizes, added, first = [], [], 0, True
    for number, negatives in enumerate(images):
        for negative in negatives:
            if first or float(negative @ weights) + bias > hard:
                cache.append(negative)
                added += 1
        if cache and (first or added > retrain_every or number == len(images) - 1):
            weights, bias = fit(positives, np.array(cache))
            cache_sizes.append(len(cache))
            added = 0
            cache = [negative for negative in cache if float(negative @ weights) + bias >= evict]
        first = False
    return weights, bias, cache_sizes


def svm_objective(weights, offset, positives, negatives, *, C, positive_weight, bias_feature):
    """The loss of rcnn_train.m in double precision; the bias is the weight of a constant feature."""
    weights = weights.astype(np.float64)
    positive_hinges = np.maximum(0, 1 - positives @ weights - offset).sum()
    negative_hinges = np.maximum(0, 1 + negatives @ weights + offset).sum()
    return (weights @ weights + (offset / bias_feature) ** 2) / 2 + C * (
        positive_weight * positive_hinges + negative_hinges
    )
