"""Holds rendered network policies to the table of who may talk to whom, and looks for what no manifest may have.

usage: edges.py RENDERED_YAML TABLE PART...

A connection is open where the caller's policies let it out and the called one's let it in; a pod that no policy selects
for a direction is open in it. What neither side lets through must not be in the table, and what the table has must be open.
"""

import itertools
import sys

import yaml

NAMES = "names"
# Who is outside of the namespace: labels of the namespace, labels of the pod.
OUTSIDE = {
    "clients": ({"espalier.io/clients": "true"}, {}),
    "publishers": ({"espalier.io/publishers": "true"}, {}),
    "operators": ({"espalier.io/operators": "true"}, {}),
    "monitoring": ({"espalier.io/monitoring": "true"}, {}),
    "collector": ({"espalier.io/collector": "true"}, {}),
    NAMES: ({"kubernetes.io/metadata.name": "kube-system"}, {"k8s-app": "kube-dns"}),
    "kube-system": ({"kubernetes.io/metadata.name": "kube-system"}, {}),
    "stranger": ({"kubernetes.io/metadata.name": "stranger"}, {}),
}
ELSEWHERE = "elsewhere"
# A pod of the namespace that no manifest of ours made.
BYSTANDER = "bystander"
OTHER_PORTS = [22, 53, 443, 4318, 8000]


def selects(selector, labels):
    if selector is None:
        return False
    for key, value in selector.get("matchLabels", {}).items():
        if labels.get(key) != value:
            return False
    for term in selector.get("matchExpressions", []):
        if term["operator"] != "In":
            raise ValueError(f"operator: {term['operator']} (expected: In)")
        if labels.get(term["key"]) not in term["values"]:
            return False
    return True


class Policies:
    def __init__(self, documents):
        self.policies = [d["spec"] for d in documents if d["kind"] == "NetworkPolicy"]
        self.pods = {BYSTANDER: {}}
        self.ports = set(OTHER_PORTS)
        for d in documents:
            if d["kind"] in ("Deployment", "StatefulSet", "Job"):
                template = d["spec"]["template"]
                self.pods[d["metadata"]["name"]] = template["metadata"]["labels"]
                for container in template["spec"]["containers"]:
                    self.ports.update(port["containerPort"] for port in container.get("ports", []))

    def allows(self, direction, rules, pod, other, port):
        """Whether a pod's policies of a direction let a connection with `other` through."""
        mine = [p for p in self.policies
                if direction in p["policyTypes"] and selects(p["podSelector"], self.pods[pod])]
        return not mine or any(
            self.peer(peer, other)
            for policy in mine
            for rule in policy.get(rules, [])
            if "ports" not in rule or any(p["port"] == port for p in rule["ports"])
            for peer in rule.get("from" if rules == "ingress" else "to", [None]))

    def peer(self, peer, other):
        if peer is None:
            return True
        if "ipBlock" in peer:
            return other == ELSEWHERE
        if other == ELSEWHERE:
            return False
        namespace, labels = OUTSIDE.get(other, ({}, self.pods.get(other, {})))
        if "namespaceSelector" in peer:
            if other not in OUTSIDE or not selects(peer["namespaceSelector"], namespace):
                return False
        elif other in OUTSIDE:
            return False
        return "podSelector" not in peer or selects(peer["podSelector"], labels)

    def edges(self):
        everyone = [*self.pods, *OUTSIDE, ELSEWHERE]
        for source, target, port in itertools.product(everyone, everyone, sorted(self.ports)):
            if source == target or not (source in self.pods or target in self.pods):
                continue
            out = source not in self.pods or self.allows("Egress", "egress", source, target, port)
            into = target not in self.pods or self.allows("Ingress", "ingress", target, source, port)
            if out and into:
                yield source, target, port


def table(path, parts, pods):
    for line in open(path):
        if line.strip() and not line.startswith("#"):
            source, target, port, of = line.split()
            if set(of.split("+")) <= parts:
                yield source, target, int(port)
    # The bystander may ask for names, as every pod of the namespace.
    yield BYSTANDER, NAMES, 53


def secrets(documents):
    """A secret is named by a manifest, never in one; an argument or a variable with a password in it is one too."""
    for d in documents:
        if d["kind"] == "Secret":
            yield f"Secret {d['metadata']['name']}: in a manifest (expected: made by hand, named by reference)"
        template = d.get("spec", {}).get("template", {}) if isinstance(d.get("spec"), dict) else {}
        for container in template.get("spec", {}).get("containers", []):
            for variable in container.get("env", []):
                if any(word in variable["name"].lower() for word in ("password", "secret", "token")) and "value" in variable:
                    yield f"{d['metadata']['name']}: {variable['name']} has a value (expected: valueFrom)"


def main(rendered, path, *parts):
    documents = [d for d in yaml.safe_load_all(open(rendered)) if d]
    policies = Policies(documents)
    found = set(policies.edges())
    wanted = set(table(path, set(parts), policies.pods))
    wrong = [f"{s} -> {t}:{p} is open (expected: closed, it is not in {path})" for s, t, p in sorted(found - wanted)]
    wrong += [f"{s} -> {t}:{p} is closed (expected: open, as {path} says)" for s, t, p in sorted(wanted - found)]
    wrong += secrets(documents)
    for line in wrong:
        print(f"{rendered}: {line}", file=sys.stderr)
    if not wrong:
        print(f"Edges: {len(found)} open, as in the table; {len(policies.pods) - 1} servers")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
