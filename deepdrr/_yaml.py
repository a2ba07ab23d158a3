"""JSON and YAML, with numbers as either writes them."""

import json
import re
from typing import Any

__all__ = ["parse"]

# Floats of YAML 1.2 and JSON. PyYAML, at YAML 1.1, takes those without a dot or a sign for words: 1e-05, 1.02e3.
_FLOAT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$")


def parse(text: str) -> Any:
    """The content of a JSON or YAML text.

    Raises:
        yaml.YAMLError: if it is neither.

    Example:
        >>> parse("pixel_mm: 1e-05"), parse('{"sdd_mm": 1.02e3}')
        ({'pixel_mm': 1e-05}, {'sdd_mm': 1020.0})
    """
    import yaml

    class Loader(yaml.SafeLoader):
        """With floats of YAML 1.2."""

    Loader.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+.0123456789"))
    try:
        return json.loads(text)  # YAML has no tabs between fields, JSON may
    except (ValueError, RecursionError):
        pass  # it may be YAML, whose words say what is wrong
    try:
        return yaml.load(text, Loader=Loader)
    except RecursionError:
        raise yaml.YAMLError("its brackets are nested too deep") from None
    except ValueError as error:  # a number of 5000 digits, the 31st of February
        raise yaml.YAMLError(str(error)) from None
