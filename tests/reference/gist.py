"""GIST, written as loops from the description of LEAR's program: plain sums instead of fast transforms."""

import cmath
import math

import numpy as np


def loops_gist(photo, *, orientations, cells):
    """The descriptor of a square RGB photo, value by value, in double precision."""
    size, padding = len(photo), 5
    side = size + 2 * padding
    mirrored = [min(max(-place - 1, place), 2 * size - place - 1) for place in range(-padding, size + padding)]
    colours = [
        [[math.log(photo[row][column][colour] + 1.0) for column in mirrored] for row in mirrored] for colour in range(3)
    ]

    def low(row, column):
        radius = math.hypot(frequency(row, side), frequency(column, side))
        return math.exp(-radius * radius * math.log(2) / 16)

    fine = [subtract(colour, filtered(colour, low)) for colour in colours]
    squares = [[(sum(colour[y][x] for colour in fine) / 3) ** 2 for x in range(side)] for y in range(side)]
    energy = filtered(squares, low)
    inside = range(padding, padding + size)
    whitened = [
        [[colour[y][x] / (0.2 + math.sqrt(abs(energy[y][x]))) for x in inside] for y in inside] for colour in fine
    ]
    descriptor = []
    for colour in whitened:
        for scale, count in enumerate(orientations):
            for orientation in range(count):
                response = filtered(colour, gabor(size, scale, count, orientation))
                for column in range(cells):
                    for row in range(cells):
                        values = [
                            abs(response[y][x])
                            for y in range(row * size // cells, (row + 1) * size // cells)
                            for x in range(column * size // cells, (column + 1) * size // cells)
                        ]
                        descriptor.append(sum(values) / len(values))
    return descriptor


def gabor(size, scale, count, orientation):
    """The transfer function of one filter."""
    centre = 0.3 / 1.85**scale

    def transfer(row, column):
        v, u = frequency(row, size), frequency(column, size)
        angle = math.atan2(v, u) + math.pi * orientation / count
        if angle > math.pi:
            angle -= 2 * math.pi
        radial = math.hypot(u, v) / size / centre - 1
        return math.exp(-10 * 0.35 * radial**2 - 2 * (16 * count**2 / 32**2) * math.pi * angle**2)

    return transfer


def frequency(index, side):
    """The frequency of a transform's entry: counted from -side / 2, and then rotated by half the side."""
    return (index - side // 2) % side - side / 2


def subtract(values, filtered_values):
    return [
        [value - low.real for value, low in zip(row, lows, strict=True)]
        for row, lows in zip(values, filtered_values, strict=True)
    ]


def filtered(values, transfer):
    """An image times a transfer function, by the sums that define the transform and its inverse."""
    side = len(values)
    forward = [[cmath.exp(-2j * math.pi * k * n / side) for n in range(side)] for k in range(side)]
    matrix = np.array(forward)
    spectrum = matrix @ np.array(values) @ matrix.T
    for row in range(side):
        for column in range(side):
            spectrum[row, column] *= transfer(row, column)
    return (matrix.conj() @ spectrum @ matrix.conj().T / side**2).tolist()
