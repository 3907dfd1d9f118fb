"""Turns the Kubernetes API's OpenAPI document, and definitions of further kinds, into one strict JSON schema a kind, as
kubeconform reads them.

usage: schemas.py OUT_FOLDER SWAGGER_JSON [CUSTOM_RESOURCE_DEFINITION_YAML...]

A kind's file is `<kind>-<group's first name>-<version>.json`, `<kind>-<version>.json` in the core group. References
are written out; an object that has named properties accepts no others; a reference to a type that is being written
out already (only custom resource definitions have such) accepts anything.
"""

import json
import pathlib
import sys

import yaml

REF = "#/definitions/"
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"
INT_OR_STRING = "io.k8s.apimachinery.pkg.util.intstr.IntOrString"


def resolve(node, definitions, open_refs):
    if isinstance(node, list):
        return [resolve(value, definitions, open_refs) for value in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        name = node["$ref"].removeprefix(REF)
        if name == QUANTITY:
            return {"type": ["string", "number"]}
        if name == INT_OR_STRING:
            return {"type": ["string", "integer"]}
        if name in open_refs:
            return {}
        return resolve(definitions[name], definitions, open_refs | {name})
    schema = {
        key: resolve(value, definitions, open_refs)
        for key, value in node.items()
        if not key.startswith("x-") and key not in ("description", "format", "default", "properties")
    }
    if "properties" in node:
        schema["properties"] = {
            name: resolve(value, definitions, open_refs) for name, value in node["properties"].items()
        }
        if not node.get("x-kubernetes-preserve-unknown-fields"):
            schema.setdefault("additionalProperties", False)
    return schema


def custom(definition):
    """(kind, group, version, schema) of each version of a custom resource definition."""
    spec = definition["spec"]
    for version in spec["versions"]:
        yield spec["names"]["kind"], spec["group"], version["name"], version["schema"]["openAPIV3Schema"]


def main(folder, swagger, *crds):
    definitions = json.loads(pathlib.Path(swagger).read_text())["definitions"]
    out = pathlib.Path(folder)
    out.mkdir(parents=True, exist_ok=True)

    def write(kind, group, version, schema):
        file = "-".join(part for part in (kind, group.split(".")[0], version) if part)
        path = out / f"{file.lower()}.json"
        if not path.exists():
            path.write_text(json.dumps(schema))

    for name, definition in definitions.items():
        for kind in definition.get("x-kubernetes-group-version-kind", []):
            write(kind["kind"], kind["group"], kind["version"], resolve(definition, definitions, {name}))
    for crd in crds:
        for kind, group, version, schema in custom(yaml.safe_load(pathlib.Path(crd).read_text())):
            write(kind, group, version, resolve(schema, {}, set()))


main(*sys.argv[1:])
