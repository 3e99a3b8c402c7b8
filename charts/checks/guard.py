"""The ValidatingAdmissionPolicy that guards annotations.

The cases in guard-cases.json are also those that the end-to-end tests put to an API server's own admission: see
NewerGuardTests.swift. There is no `old` at creation; a text stands for the annotations of that name.
"""
import json
import re

import celpy
import yaml
from celpy import celtypes

from checks.base import CHARTS, expect, program_text, render


def check_guard(chart):
    """Runs the CEL of the ValidatingAdmissionPolicy on requests."""
    policy = yaml.safe_load_all(render(chart, {"annotationGuard": {
        "enabled": True, "users": ["gitops"], "groups": ["platform"]}})["pinseal/templates/annotation-guard.yaml"])
    spec = next(iter(policy))["spec"]
    (rule,) = spec["matchConstraints"]["resourceRules"]
    expect(set(rule["resources"]) == {"namespaces", "namespaces/finalize", "namespaces/status"}
           and set(rule["operations"]) == {"CREATE", "UPDATE"}, "the guard can be got around by a subresource")
    known = re.findall(r'case \w+(?: = "([\w-]+)")?', re.search(
        r"enum PolicyAnnotation.*?\n  /// The name with", program_text("Policy/PolicyAnnotation.swift"), re.S)[0])
    known = {name or "pin" for name in known}
    (unknown,) = [v["expression"] for v in spec["variables"] if v["name"] == "unknown"]
    named = set(re.findall(r'"pinseal\.dev/([\w-]+)"', unknown))
    expect(known == named, f"the guard and the program know different annotations: {sorted(known ^ named)}")

    environment = celpy.Environment()
    functions = {
        "lowerAscii": lambda text: celtypes.StringType(str(text).lower()),
        "join": lambda items, by: celtypes.StringType(by.join(items)),
    }

    def evaluate(expression, context):
        program = environment.program(environment.compile(expression), functions=functions)
        return program.evaluate(context)

    def decide(old, new, user, groups):
        def namespace(annotations):
            return {"metadata": {"name": "shop"} | ({"annotations": annotations} if annotations is not None else {})}
        request = {"operation": "UPDATE" if old is not ... else "CREATE",
                   "userInfo": {"username": user} | ({"groups": list(groups)} if groups else {})}
        context = {name: celpy.json_to_cel(value) for name, value in {
            "object": namespace(new), "oldObject": namespace(old) if old is not ... else None, "request": request,
            "variables": {}}.items()}
        for variable in spec["variables"]:
            # filter() of a map gives a list of its keys.
            context["variables"][celtypes.StringType(variable["name"])] = evaluate(variable["expression"], context)
        refusals = []
        for validation in spec["validations"]:
            if not evaluate(validation["expression"], context):
                message = validation.get("messageExpression")
                refusals.append(str(evaluate(message, context)) if message else validation["message"])
        return refusals

    table = json.loads((CHARTS / "checks" / "guard-cases.json").read_text())
    named = table["annotations"]
    for case in table["cases"]:
        old, new = (named[value] if isinstance(value, str) else value for value in (case.get("old", ...), case["new"]))
        refusals = decide(old, new, case.get("user", "gitops"), case.get("groups", ()))
        matches = any(case["refusal"] in text for text in refusals) if "refusal" in case else not refusals
        expect(matches, f"the guard, {case['title']}: {refusals}")
