"""Mining in loops: the query box of paper §4 over every window and point, SURF's filters over every pixel."""


def loops_best_box(points, size, box):
    """Left, top and count of the window with most points; then least squared distance to its centre, top, left."""
    height, width = size
    pixels = [(min(max(int(x // 1), 0), width - 1), min(max(int(y // 1), 0), height - 1)) for x, y in points]
    best = None
    for top in range(height - box + 1):
        for left in range(width - box + 1):
            inside = [(x, y) for x, y in pixels if left <= x < left + box and top <= y < top + box]
            centre_x, centre_y = left + (box - 1) / 2, top + (box - 1) / 2
            spread = sum((x - centre_x) ** 2 + (y - centre_y) ** 2 for x, y in inside)
            key = (-len(inside), spread, top, left)
            if best is None or key < best:
                best = key
    return best[3], best[2], -best[0]


def hessian_determinant(grey, x, y, lobe):
    """SURF's determinant at a pixel, its box filters as means over their area (Bay et al., ECCV 2006, section 3.2)."""
    half, reach = lobe // 2, 3 * lobe // 2
    xx = yy = xy = 0
    for v in range(-reach, reach + 1):
        for u in range(-reach, reach + 1):
            value = int(grey[y + v, x + u])
            if abs(v) < lobe:
                xx += -2 * value if abs(u) <= half else value
            if abs(u) < lobe:
                yy += -2 * value if abs(v) <= half else value
            if 1 <= abs(u) <= lobe and 1 <= abs(v) <= lobe:
                xy += value if u * v > 0 else -value
    area = (3 * lobe) ** 2
    return (xx * yy - 0.36 * xy * xy) / area**2
