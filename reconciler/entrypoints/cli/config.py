"""``config show``: each value of the configuration, and where it comes from."""

from __future__ import annotations

import json as json_format
from typing import Final

import typer

from reconciler.entrypoints.cli.arguments import JsonOption
from reconciler.entrypoints.cli.output import OutputColumn, write_json, write_pairs, write_table
from reconciler.entrypoints.cli.pager import in_pager
from reconciler.entrypoints.invocation import invocation
from reconciler.exit_codes import ExitCode
from reconciler.settings.shown import ShownValue, Source, shown_values

config = typer.Typer(name="config", help="Show the configuration.", no_args_is_help=True)

_COLUMNS: Final = (
    OutputColumn[ShownValue]("key", lambda one: one.key),
    OutputColumn[ShownValue]("value", lambda one: _text(one.value)),
    OutputColumn[ShownValue]("source", lambda one: one.source.value),
    # the file is named once, above the table
    OutputColumn[ShownValue](
        "from", lambda one: "" if one.source is Source.FILE else one.origin or ""
    ),
)


@config.command()
@in_pager
def show(context: typer.Context, json: JsonOption = False) -> int:
    """Show each value, and whether it comes from the file, the environment, a credential or a default.

    Secrets are shown as ***. The values are not checked: reconciler doctor does that.
    """
    call = invocation(context)
    values = shown_values(call.config, call.environ)
    if json:
        write_json(
            [
                {
                    "key": one.key,
                    "value": one.value,
                    "source": one.source.value,
                    "from": one.origin,
                }
                for one in values
            ]
        )
    else:
        origins = {one.origin for one in values if one.source is Source.FILE and one.origin}
        for origin in sorted(origins):
            write_pairs([("file", origin)], indent=0)
        write_table(_COLUMNS, values)
    return int(ExitCode.DONE)


def _text(value: object) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json_format.dumps(value, ensure_ascii=False)
