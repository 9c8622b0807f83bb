"""Tables of the pages as files."""

from __future__ import annotations

from collections.abc import Iterator

from starlette.responses import Response, StreamingResponse

from reconciler.entrypoints.web.call import WrongAddressError
from reconciler.entrypoints.web.files import MEDIA_TYPES, FileKind, temporary_file
from reconciler.entrypoints.web.tables import Table


def download(table: Table[object], file_format: str) -> Response:
    """A whole table as CSV or xlsx. Raises WrongAddressError for another format."""
    if file_format == "xlsx":
        return temporary_file(
            f"{table.name}.xlsx", MEDIA_TYPES[FileKind.XLSX], table.write_workbook
        )
    if file_format != "csv":
        raise WrongAddressError(
            f'There is no file format "{file_format[:20]}".', "Use csv or xlsx."
        )
    return StreamingResponse(
        _encoded(table.csv_parts()),
        media_type=MEDIA_TYPES[FileKind.CSV],
        headers={"Content-Disposition": f'attachment; filename="{table.name}.csv"'},
    )


def _encoded(parts: Iterator[str]) -> Iterator[bytes]:
    for part in parts:
        yield part.encode("utf-8", "backslashreplace")
