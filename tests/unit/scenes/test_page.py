from tracklearn.scenes.page import scenes_page


def test_each_system_s_confusions_are_shown_under_its_name(tmp_path):
    for name in ("unsup-8M", "gist"):
        (tmp_path / f"{name}.png").write_bytes(b"picture")
    pictures = [tmp_path / "unsup-8M.png", tmp_path / "gist.png"]
    assert scenes_page(confusions=pictures, protocol="val", page=tmp_path / "scenes.html") == {"pictures": 2}
    page = (tmp_path / "scenes.html").read_text()
    assert page.index("<figcaption>unsup-8M<") < page.index("<figcaption>gist<")
    assert 'href="../../tables/val/section6.html"' in page
