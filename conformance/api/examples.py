#!/usr/bin/env python3
"""Judges every example of an OpenAPI document by the schema that it is an example of.

    examples.py DOCUMENT [GOLDEN]

With a golden copy, both must say the same. Needs jsonschema_rs, which Schemathesis brings.
"""

import json
import sys

import jsonschema_rs


def judged(document, place, schema, value, failures):
    """Validates one example; references are looked up in the whole document."""
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", "components": document["components"], "allOf": [schema]}
    errors = jsonschema_rs.validator_for(whole, validate_formats=True).iter_errors(value)
    failures += [f"{place}: {error.message}" for error in errors]


def contents(document):
    """Every (place, media type object) of bodies, answers and parameters."""
    for path, item in document["paths"].items():
        for method, operation in item.items():
            place = f"{method.upper()} {path}"
            bodies = [(place, operation.get("requestBody", {}))]
            bodies += [(f"{place} {status}", answer) for status, answer in operation["responses"].items()]
            for where, body in bodies:
                for media in body.get("content", {}).values():
                    yield where, media
            for parameter in operation.get("parameters", []):
                if "$ref" not in parameter:
                    yield f"{place} {parameter['name']}", parameter
    for name, parameter in document["components"].get("parameters", {}).items():
        yield f"parameter {name}", parameter


def schemas(value, place):
    """Every schema with examples of its own, at any depth."""
    if isinstance(value, dict):
        if "type" in value and ("example" in value or isinstance(value.get("examples"), list)):
            yield place, value
        for key, inner in value.items():
            yield from schemas(inner, f"{place}/{key}")
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from schemas(inner, f"{place}/{index}")


def main():
    document = json.load(open(sys.argv[1], encoding="utf-8"))
    failures, count = [], 0
    for place, media in contents(document):
        examples = [media["example"]] if "example" in media else []
        examples += [example["value"] for example in media.get("examples", {}).values()]
        for example in examples:
            count += 1
            judged(document, place, media["schema"], example, failures)
    for place, schema in schemas(document["components"]["schemas"], "schemas"):
        for example in schema.get("examples", []) + ([schema["example"]] if "example" in schema else []):
            count += 1
            judged(document, place, schema, example, failures)
    if len(sys.argv) > 2 and json.load(open(sys.argv[2], encoding="utf-8")) != document:
        failures.append(f"{sys.argv[2]} is not what is served")
    for failure in failures:
        print(failure)
    print(f"{count} examples, {len(failures)} failures")
    sys.exit(1 if failures or count == 0 else 0)


if __name__ == "__main__":
    main()
