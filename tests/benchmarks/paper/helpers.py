"""Reading what a recipe prints."""

from __future__ import annotations


def tables(text):
    """The rows of every table, without its head; a row is a list of cells."""
    found, rows = [], []
    for line in [*text.splitlines(), ""]:
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            found.append(rows[2:])
            rows = []
    return found


def number(cell):
    """The figure in a cell, without the mark or the deviation after it."""
    return float(cell.split()[0])
