"""Write what the settings document: the tables of config/README.md, and the schema.

python -m tracklearn.settings config/README.md config/schema.json
"""

import argparse
import sys
from pathlib import Path

from tracklearn.errors import UserError
from tracklearn.settings.documentation import json_schema, with_tables


def main(arguments: list[str] | None = None) -> int:
    """Write both files, or with `--check` name those that are out of date; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m tracklearn.settings", description="Write what settings document.")
    parser.add_argument(
        "readme", type=Path, help="Markdown file with markers <!-- settings: BLOCK --> and <!-- end -->"
    )
    parser.add_argument("schema", type=Path, help="JSON schema of the configuration")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a file is out of date")
    options = parser.parse_args(arguments)
    try:
        texts = {options.readme: with_tables(options.readme.read_text(encoding="utf-8")), options.schema: json_schema()}
    except (UserError, OSError) as error:
        print(f"{options.readme}: {error}", file=sys.stderr)
        return 1
    stale = [path for path, text in texts.items() if not path.exists() or path.read_text(encoding="utf-8") != text]
    for path in stale:
        if options.check:
            print(
                f"{path} is out of date; run python -m tracklearn.settings {options.readme} {options.schema}",
                file=sys.stderr,
            )
        else:
            path.write_text(texts[path], encoding="utf-8")
    return int(options.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
