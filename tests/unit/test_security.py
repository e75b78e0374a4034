"""What the code never does, whatever a file or an address holds."""

import ast
import json
import os
import re
import sys
from pathlib import Path
from types import SimpleNamespace

import pyarrow.parquet as pq
import pytest
from jinja2 import nodes
from snakemake.iocontainers import Namedlist
from worlds.pairs import SIDE, some_pairs

from tracklearn.download import RemoteFile, download
from tracklearn.errors import UserError, one_line, printable, without_secrets
from tracklearn.experiment.command_line import command_line_settings
from tracklearn.experiment.configuration import complete
from tracklearn.pages.rendering import TEMPLATES
from tracklearn.patches.webdataset import FORMAT, read_tars, write_tars
from tracklearn.patches.writing import write_shard
from tracklearn.runs import recorded, sender
from tracklearn.runs.spool import Spool
from tracklearn.videos import fetch
from tracklearn.videos.download import download_shard
from tracklearn.videos.lists import read_list
from tracklearn.videos.manifest import ManifestRow, read_manifest, write_manifest

CODE = ("src", "workflow", "demo", "examples", "benchmarks")
SECRETS = "alice", "pa55word", "t0ken", "5ignature"
ADDRESS = "http://alice:pa55word@127.0.0.1:9/clip.mp4?token=t0ken&v=1&X-Amz-Signature=5ignature"


def parsed(repository, *folders):
    """Path below the repository, and syntax tree, of every file of code."""
    for folder in folders or CODE:
        for file in sorted((repository / folder).rglob("*.py")):
            if ".snakemake" not in file.parts:
                yield str(file.relative_to(repository)), ast.parse(file.read_text(encoding="utf-8"))


def calls(tree):
    """Each call with the dotted name of what is called, as far as it is one: `np.load`, `eval`, `.extractall`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield re.sub(r"\(.*\)", "", ast.unparse(node.func), flags=re.DOTALL), node


def options(call):
    return {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}


def test_nothing_runs_code_that_a_file_holds(repository):
    """Of files, pickle alone is read: by `normals.given.ArraysOnly`, which refuses everything but arrays, and by torch.

    torch reads files with `weights_only=True`, and then accepts tensors alone.
    """
    forbidden = re.compile(
        r"(eval|exec|compile|__import__|input)|.*\b(extract|extractall|full_load|unsafe_load|load_all)|os\.(system|popen)"
        r"|(torch|yaml|pickle|dill|joblib|marshal|shelve|cloudpickle|jsonpickle|pd)\.(load|loads|open|Unpickler|read_pickle)"
    )
    found, seen = [], 0
    for name, tree in parsed(repository):
        for called, call in calls(tree):
            seen += 1
            only_tensors = called == "torch.load" and options(call).get("weights_only") == "True"
            if forbidden.fullmatch(called) and called != "re.compile" and not only_tensors:
                found.append((name, called))
            assert not (called.endswith("np.load") and "allow_pickle" in options(call)), name
            assert options(call).get("shell", "False") == "False", name
            assert options(call).get("weights_only", "True") == "True", name
    # What a pipe brings from a process that this one has forked is no file.
    assert found == [("src/tracklearn/machine/workers.py", "pickle.loads")] * 2 and seen > 5000


def test_modules_that_could_run_code_or_resolve_entities_are_not_imported(repository):
    allowed = {"pickle": {"src/tracklearn/machine/workers.py", "src/tracklearn/normals/given.py"}}
    modules = {"pickle", "marshal", "shelve", "dill", "joblib", "cloudpickle", "lxml", "xmlrpc", "telnetlib", "pty"}
    found = {}
    for name, tree in parsed(repository, "src", "workflow"):
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [f"{node.module}.{alias.name}" for alias in node.names]
            for module in names:
                if module.split(".")[0] in modules or module.startswith(("xml.sax", "xml.dom")):
                    found.setdefault(module, set()).add(name)
    assert found == allowed


def test_commands_take_no_name_from_data(repository):
    """Every process is started in one of these places; their arguments are constants, and data go through a pipe."""
    places = {
        (name, called)
        for name, tree in parsed(repository, "src")
        for called, _ in calls(tree)
        if called.startswith(("subprocess.", "os.exec", "os.spawn", "os.posix_spawn"))
    }
    assert places == {
        ("src/tracklearn/runs/provenance.py", "subprocess.run"),  # git describe
        ("src/tracklearn/runs/spool.py", "subprocess.Popen"),  # the sender
        ("src/tracklearn/runs/sender.py", "os.execv"),  # MLflow's UI
        ("src/tracklearn/videos/downloads.py", "subprocess.Popen"),  # yt-dlp, to which addresses go through a pipe
    }


def test_servers_listen_on_this_machine_alone(repository):
    texts = [
        (name, node.value)
        for name, tree in parsed(repository)
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    ]
    assert not [name for name, text in texts if text in ("0.0.0.0", "::") or "--host=" in text]
    assert [name for name, text in texts if text == "127.0.0.1"]


def test_the_ui_listens_on_this_machine_alone(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "postgresql://alice:pa55word@127.0.0.1/runs")
    monkeypatch.setattr(sender.Sender, "deliver_all", lambda self: 0)
    monkeypatch.setattr(sender.Store, "address", lambda self, server: server)
    started = []
    monkeypatch.setattr(sender.os, "execv", lambda program, command: started.append((program, command)))
    monkeypatch.setattr(sender.os, "environ", dict(os.environ))
    assert sender.main(["ui", "--port", "0"]) == 0
    ((program, command),) = started
    assert program == sys.executable and command[command.index("--host") + 1] == "127.0.0.1"
    assert "pa55word" not in " ".join(command)  # everybody can read a command line


def test_what_a_page_shows_is_escaped(repository):
    assert TEMPLATES.autoescape is True
    assert TEMPLATES.from_string("{{ text }}").render(text="<script>") == "&lt;script&gt;"
    tables = 0
    for template in (repository / "src/tracklearn/pages/templates").glob("*.jinja"):
        text = template.read_text()
        assert template.name.endswith(".md.jinja") or "autoescape" not in text
        for marked in TEMPLATES.parse(text).find_all(nodes.Filter):
            if marked.name == "safe" and not isinstance(marked.node, nodes.Const):
                # pandas escapes by itself
                assert isinstance(marked.node, nodes.Call) and marked.node.node.attr == "to_html", template
                assert "escape" not in [option.key for option in marked.node.kwargs], template
                tables += 1
    assert tables


@pytest.mark.parametrize(
    "name", ["../up", "a/b", "a\\b", "/etc/x", ".hidden", "..", "a\x1bb", "a\x00b", "a b", "", "é", "x" * 101]
)
def test_ids_that_are_no_file_names_are_refused(tmp_path, name):
    (tmp_path / "videos.tsv").write_text(f"video_id\tsource\n{name}\tclip.mp4\n", encoding="utf-8")
    with pytest.raises(UserError) as error:
        read_list(tmp_path / "videos.tsv")
    assert str(error.value).isprintable()


def test_a_source_with_control_characters_is_refused(tmp_path):
    (tmp_path / "videos.tsv").write_text("video_id\tsource\nant\ta\x1b[2J.mp4\n")
    with pytest.raises(UserError, match=r"line 2: the source 'a\\x1b\[2J.mp4' holds a control character"):
        read_list(tmp_path / "videos.tsv")


def test_an_id_with_a_dash_in_front_names_a_file_and_no_option(tmp_path, monkeypatch):
    (tmp_path / "videos.tsv").write_text("video_id\tsource\n-rfoooooooo\t-rfoooooooo\n")
    (video,) = read_list(tmp_path / "videos.tsv")
    asked: list[str] = []
    fetcher = fetch.Fetcher(max_height=480, max_duration=600, timeout=1)
    monkeypatch.setattr(fetcher._downloader, "extract_info", lambda url, download: asked.append(url))
    with pytest.raises(fetch.UnavailableError):
        fetcher.fetch(video.source, "videos/00000", video.video_id, seconds=1)
    assert asked == ["https://www.youtube.com/watch?v=-rfoooooooo"]
    assert fetcher._downloader.params["outtmpl"]["default"] == "videos/00000/-rfoooooooo.%(ext)s"


@pytest.mark.parametrize("name", ["../outside", "/tmp/outside", "a/b", ".hidden", "a\nb", ""])
def test_names_of_shards_in_a_given_table_lead_nowhere(tmp_path, name):
    (tmp_path / "shards").mkdir()
    write_shard(tmp_path / "shards/00000.h5", some_pairs(2), size=SIDE, quality=95)
    write_tars(tmp_path / "shards", tmp_path / "given")
    table = pq.read_table(tmp_path / "given/pairs.parquet")
    described = {name: json.loads(pq.read_metadata(tmp_path / "given/pairs.parquet").metadata[FORMAT])["00000"]}
    pq.write_table(table.replace_schema_metadata({FORMAT: json.dumps(described)}), tmp_path / "given/pairs.parquet")
    before = set(tmp_path.rglob("*"))
    with pytest.raises(UserError, match="is no name of a shard"):
        read_tars(tmp_path / "given", tmp_path / "out")
    assert set(tmp_path.rglob("*")) == before


def test_secrets_of_addresses_by_hand():
    assert without_secrets(ADDRESS) == "http://127.0.0.1:9/clip.mp4?token=***&v=1&X-Amz-Signature=***"
    assert (
        without_secrets("('https://u:p@h/a?key=1', 'https://h/b?v=2')") == "('https://h/a?key=***', 'https://h/b?v=2')"
    )
    for text in ("no address: a@b token=1", "sqlite:////home/a@b/mlflow.db", "https://h/@user?v=abc", "C:\\a?key=1"):
        assert without_secrets(text) == text


@pytest.mark.parametrize(
    "name",
    [
        *(
            "token",
            "access_token",
            "authToken",
            "hdnts_token",
            "key",
            "api_key",
            "apikey",
            "X-Api-Key",
            "AWSAccessKeyId",
        ),
        *("sig", "lsig", "sign", "X-Goog-Signature", "X-Amz-Credential", "X-Amz-Security-Token", "client_secret"),
        *("password", "passwd", "pass", "pwd", "auth", "cred", "session_id", "sessionid", "JWT", "wowzatokenhash"),
    ],
)
def test_parameters_with_a_secret(name):
    assert without_secrets(f"https://h/a?v=1&{name}=abc&w=2") == f"https://h/a?v=1&{name}=***&w=2"


@pytest.mark.parametrize(
    "name",
    ["author", "monkey", "keyword", "keywords", "design", "assign", "significant", "compass", "donkey", "authors"],
)
def test_parameters_that_look_like_a_secret(name):
    assert without_secrets(f"https://h/a?{name}=abc") == f"https://h/a?{name}=abc"


def test_errors_are_one_printable_line():
    assert printable("a\nb\tc\x1b[2J\u202e\udcff é") == "a b c\\x1b[2J\\u202e\\udcff é"
    assert one_line(UserError(f"{ADDRESS}\r\nfailed")) == (
        "http://127.0.0.1:9/clip.mp4?token=***&v=1&X-Amz-Signature=*** failed"
    )


def test_a_failed_download_shows_no_secret(tmp_path, monkeypatch, capfd):
    """In no file of a job that downloads a video: not in its log or its run, nor on the terminal."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "clip.mp4").write_bytes(b"no video")
    videos = [("ant", ADDRESS), ("bee", "clip.mp4")]
    job = SimpleNamespace(
        rule="videos_download",
        wildcards=Namedlist(),
        input=Namedlist(),
        output=Namedlist(fromdict={"manifest": "m.tsv"}),
        params=Namedlist(fromdict={"videos": videos}),
        log=Namedlist(toclone=["job.log"]),
        threads=1,
    )
    with pytest.raises(SystemExit), recorded(job):  # nobody answers at the address
        download_shard(videos=videos, directory="videos", manifest="m.tsv", limits={"retries": 0, "timeout": 20})
    (key,) = Spool().keys()
    assert "clip.mp4?token=***" in Spool().events_file(key).read_text()
    shown = [capfd.readouterr().err, *(path.read_text() for path in tmp_path.rglob("*") if path.is_file())]
    assert not [secret for secret in SECRETS for text in shown if secret in text]


def test_a_manifest_holds_no_secret(tmp_path):
    row = ManifestRow("ant", ADDRESS, path="videos/a#key=1://?token=t.mp4", reason=f"HTTP 403: {ADDRESS}")
    write_manifest(tmp_path / "m.tsv", [row])
    text = (tmp_path / "m.tsv").read_text()
    assert not [secret for secret in SECRETS if secret in text]
    assert read_manifest(tmp_path / "m.tsv")[0].path == row.path  # a path is no address


def test_errors_of_settings_and_downloads_hold_no_secret(tmp_path):
    for fails in (
        lambda: command_line_settings([f"videos={{list: '{ADDRESS}}}"]),
        lambda: complete({"videos": {"shard_size": ADDRESS}}),
        lambda: complete({"models": ADDRESS}),
        lambda: download(RemoteFile(urls=(ADDRESS,)), Path(tmp_path), retries=0, timeout=5),
    ):
        with pytest.raises(UserError) as error:
            fails()
        assert not [secret for secret in SECRETS if secret in one_line(error.value)], error.value
