"""The query box of paper §4 by looking at every window and every point."""


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
