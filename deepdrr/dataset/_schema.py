"""The JSON Schema of a plan, from its dataclasses."""

import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from inspect import getdoc
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from deepdrr.dataset._distributions import DISTRIBUTIONS, Distribution

__all__ = ["schema_of"]

_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", Path: "string"}


def schema_of(kind: type) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of the fields that `record_of` takes for a dataclass."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": kind.__name__, **_record(kind)}


def _record(kind: Any) -> dict[str, Any]:
    hints, meanings = get_type_hints(kind), _meanings(kind)
    properties, required = {}, []
    for field in fields(kind):
        text = {"description": meanings[field.name]} if field.name in meanings else {}
        properties[field.name] = {**_value(hints[field.name]), **text, **_default(field)}
        if field.default is MISSING and field.default_factory is MISSING:
            required.append(field.name)
    summary = (getdoc(kind) or "").partition("\n")[0]
    return {
        "type": "object",
        "description": summary,
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _value(hint: Any) -> dict[str, Any]:
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        return {"anyOf": [{"type": "null"} if part is type(None) else _value(part) for part in parts]}
    if hint is Distribution:
        return _distribution()
    if origin is Literal:
        return {"enum": list(parts)}
    if origin is tuple and parts[-1] is Ellipsis:
        return {"type": "array", "items": _value(parts[0])}
    if origin is tuple:
        return {
            "type": "array",
            "prefixItems": [_value(part) for part in parts],
            "minItems": len(parts),
            "items": False,
        }
    if origin is dict or origin is Mapping:
        return {"type": "object", "additionalProperties": _value(parts[1])}
    return _record(hint) if is_dataclass(hint) else {"type": _PLAIN[hint]}


def _distribution() -> dict[str, Any]:
    value = {"type": ["number", "string"]}
    several = {"type": "array", "items": value, "minItems": 1}
    pair = {"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2}
    numbers = {name: {"type": "number"} for name in ("mean", "sd", "low", "high")}
    weighted = {
        "type": "object",
        "properties": {"values": several, "weights": {"type": "array", "items": {"type": "number"}}},
        "required": ["values", "weights"],
        "additionalProperties": False,
    }
    shapes: dict[str, dict[str, Any]] = {
        "fixed": value,
        "uniform": pair,
        "log_uniform": pair,
        "normal": {
            "type": "object",
            "properties": numbers,
            "required": list(numbers),
            "additionalProperties": False,
        },
        "choice": {"anyOf": [several, weighted]},
    }
    named = {"type": "object", "properties": {name: shapes[name] for name in DISTRIBUTIONS}}
    return {"anyOf": [value, {**named, "minProperties": 1, "maxProperties": 1, "additionalProperties": False}]}


def _default(field: "Field[Any]") -> dict[str, Any]:
    return {"default": field.default} if isinstance(field.default, str | int | float | bool) else {}


def _meanings(kind: type) -> dict[str, str]:
    """What each field means, from the Attributes of the docstring; "a, b: …" explains two."""
    text = (getdoc(kind) or "").partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    for entry in re.split(r"\n(?= {4}\S)", "\n" + text.split("\n\n")[0]):
        names, colon, meaning = entry.strip().partition(": ")
        if colon:
            words = " ".join(meaning.split())
            found |= {name: words[:1].upper() + words[1:] for name in names.split(", ")}
    return found
