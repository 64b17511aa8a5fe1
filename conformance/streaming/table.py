#!/usr/bin/env python3
"""Prints the results of several subjects as one table in Markdown."""

import json
import sys


def main():
    subjects = []
    for path in sys.argv[1:]:
        with open(path) as file:
            subjects.append(json.load(file))
    print("| clause | " + " | ".join(subject["subject"] for subject in subjects) + " |")
    print("|---" * (len(subjects) + 1) + "|")
    for results in zip(*(subject["results"] for subject in subjects)):
        cells = [("**no:** " if r["holds"] is False else "") + r["seen"].replace("|", "\\|") for r in results]
        print(f"| {results[0]['clause']} | " + " | ".join(cells) + " |")
    holding = []
    for subject in subjects:
        tried = [r["holds"] for r in subject["results"] if r["holds"] is not None]
        holding.append(f"{sum(tried)} of {len(tried)}")
    print("| clauses that hold | " + " | ".join(holding) + " |")


if __name__ == "__main__":
    main()
