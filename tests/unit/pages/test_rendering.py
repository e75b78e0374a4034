import base64
import re

import pytest
from jinja2 import DictLoader, UndefinedError

from tracklearn.pages.rendering import TEMPLATES, Picture, render


@pytest.fixture
def template(monkeypatch):
    """Puts a template beside those of the package."""

    def add(text):
        package = TEMPLATES.loader
        texts = {name: package.get_source(TEMPLATES, name)[0] for name in package.list_templates()}
        monkeypatch.setattr(TEMPLATES, "loader", DictLoader(texts | {"try.html.jinja": text}))

    return add


PAGE = """\
{% extends "base.html.jinja" %}
{% from "macros.html.jinja" import figure %}
{% block title %}Small{% endblock %}
{% block heading %}A small page{% endblock %}
{% block body %}{{ text }}{{ figure(picture) }}{% endblock %}
"""


def test_a_page_is_one_file_with_its_pictures_inside(template, tmp_path):
    template(PAGE)
    render(
        "try.html.jinja", tmp_path / "page.html", text="<script>", picture=Picture(b"abc", 'a "quoted" caption', "jpeg")
    )
    page = (tmp_path / "page.html").read_text()
    assert page.startswith('<!doctype html>\n<html lang="en">')
    assert "<title>Small</title>" in page
    assert "<h1>A small page</h1>" in page
    assert "&lt;script&gt;" in page
    (source,) = re.findall(r'<img src="data:image/jpeg;base64,([^"]+)" alt="a &#34;quoted&#34; caption">', page)
    assert base64.b64decode(source) == b"abc"


def test_missing_content_is_an_error_and_writes_no_page(template, tmp_path):
    template(PAGE)
    with pytest.raises(UndefinedError, match="'picture' is undefined"):
        render("try.html.jinja", tmp_path / "page.html", text="")
    assert not list(tmp_path.iterdir())
