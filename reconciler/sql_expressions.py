"""Reads the SQL expressions of a configuration before any database sees them: one expression, and nothing that writes.

The parser is sqlglot, which is under the MIT licence and has a grammar for PostgreSQL. It is only asked for the shape of
a text: PostgreSQL itself has the last word at start.
"""

from __future__ import annotations

import logging
import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlglot.tokenizer_core import Token

LONGEST: Final = 8_000
"""Characters of an expression; a longer text is a program, and belongs into a view."""
_QUOTED: Final = re.compile(r"""'[^']*'|"[^"]*\"""")
"""A text or a name in quotes; a doubled quote inside it reads as two of them side by side."""
_ONE_EXPRESSION: Final = "one SQL expression without a semicolon, a comment, a $ or an open quote"
ROW: Final = "t"
"""The name of the row in every text."""


def expression_fault(text: str) -> str | None:
    """Why a text cannot be one SQL expression that only reads; None if it can."""
    if not text.strip():
        return "may not be empty"
    if len(text) > LONGEST:
        return f"is longer than {LONGEST:,} characters"
    return _fault_of_marks(text) or _fault_of_parse(text)


def _fault_of_marks(text: str) -> str | None:
    """What would end the statement around the expression, or hide a part of it."""
    rest = _QUOTED.sub(" ", text)
    if "\0" in text or any(mark in rest for mark in (";", "--", "/*", "$", "'", '"', "\\")):
        return f"has to be {_ONE_EXPRESSION}"
    if re.search(r"[eEuU]&?'", text) and "\\" in text:
        return "may not have a backslash in an E'…' or U&'…' text"
    depth = 0
    for char in rest:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            break
    return "has parentheses that do not match" if depth else None


def _fault_of_parse(text: str) -> str | None:
    # imported here: it takes a third of a second, and most configurations have no such text
    from sqlglot import ErrorLevel, exp, parse
    from sqlglot.errors import SqlglotError

    # a text that is a command is a fault below, and not a warning on the terminal
    logging.getLogger("sqlglot").setLevel(logging.ERROR)
    try:
        parsed = parse(text, dialect="postgres", error_level=ErrorLevel.RAISE)
    except SqlglotError as error:
        details = getattr(error, "errors", None) or [{}]
        why = str(details[0].get("description") or "it cannot be read").rstrip(".")
        return f"is no SQL expression ({_plain(why)})"
    except RecursionError:
        return "is nested too deep"

    root = parsed[0] if len(parsed) == 1 else None
    if root is None:
        return f"has to be {_ONE_EXPRESSION}"
    if root.find(exp.DML, exp.DDL, exp.Command, exp.Drop, exp.Alter, exp.TruncateTable) is not None:
        return "contains a statement that changes something, and may only read"
    if isinstance(root, exp.Query) and not isinstance(root, exp.Subquery):
        return "is a statement; put a SELECT with one value in parentheses"
    if isinstance(root, exp.Alias | exp.Star | exp.Set | exp.Transaction):
        return f"has to be {_ONE_EXPRESSION}"
    return None


def _plain(description: str) -> str:
    """The parser's reason without the names of its own classes."""
    return re.sub(r"<class '[\w.]+\.(\w+)'>", r"\1", description).splitlines()[0]


def called_functions(text: str) -> tuple[tuple[str | None, str], ...]:
    """The schema, if it is given, and the name of everything in a text that may be a function, as PostgreSQL folds it."""
    tokens = _tokens(text)
    found = []
    for position, token in enumerate(tokens[:-1]):
        if tokens[position + 1].text != "(" or not re.match(r"\w", token.text):
            continue
        is_qualified = position >= 2 and tokens[position - 1].text == "."
        schema = _folded(tokens[position - 2]) if is_qualified else None
        found.append((schema, _folded(token)))
    return tuple(dict.fromkeys(found))


def without_row_name(text: str, row: str = ROW) -> str:
    """The expression as an index needs it: its columns stand without the name of the row, which is ``row``."""
    tokens = _tokens(text)
    cuts = [
        (token.start, tokens[position + 1].end + 1)
        for position, token in enumerate(tokens[:-2])
        if token.text == row
        and tokens[position + 1].text == "."
        and (position == 0 or tokens[position - 1].text != ".")
    ]
    for start, end in reversed(cuts):
        text = text[:start] + text[end:]
    return text


def has_subselect(text: str) -> bool:
    """Whether an expression reads more than its own row, so that no index can hold it."""
    from sqlglot.tokenizer_core import TokenType

    return any(token.token_type == TokenType.SELECT for token in _tokens(text))


def _tokens(text: str) -> Sequence[Token]:
    from sqlglot import tokenize

    return tokenize(text, dialect="postgres")


def _folded(token: Token) -> str:
    from sqlglot.tokenizer_core import TokenType

    # a name in quotes keeps its capitals
    return token.text if token.token_type == TokenType.IDENTIFIER else token.text.lower()
