# SPDX-License-Identifier: Apache-2.0
"""What docs/schemas.json says of an output, compared with one."""


def conforms(value, schema, path=""):
    """The part of JSON Schema that ours use."""
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    python = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool, "null": type(None)}
    fits = [kind for kind in kinds if isinstance(value, python[kind]) and not (kind == "integer" and isinstance(value, bool))]
    assert fits, f"{path}: {value!r} is none of {kinds}"
    if fits == ["object"]:
        for name in schema.get("required", []):
            assert name in value, f"{path}.{name} is missing"
        for name, inner in schema.get("properties", {}).items():
            conforms(value[name], inner, f"{path}.{name}")
    if fits == ["array"]:
        for i, item in enumerate(value):
            conforms(item, schema["items"], f"{path}[{i}]")
