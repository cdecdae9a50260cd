#!/usr/bin/python3
"""Record what Jinja2 itself makes of cases.txt: cases.json, which the tests read.

Run it where Debian's python3-jinja2 is installed, in this folder, after changing cases.txt. A case is
a line "=== name", then templates that begin with "--- file"; the file "main" is rendered. A line
"+++ JSON" gives the variables.
"""
import json
import jinja2
import jinja2.sandbox

cases, case, file = [], None, None
for line in open("cases.txt"):
    if line.startswith("=== "):
        case = {"name": line[4:].strip(), "vars": {}, "files": {}}
        cases.append(case)
    elif line.startswith("--- "):
        file = line[4:].strip()
        case["files"][file] = ""
    elif line.startswith("+++ "):
        case["vars"] = json.loads(line[4:])
    else:
        case["files"][file] += line
for case in cases:
    env = jinja2.sandbox.SandboxedEnvironment(
        loader=jinja2.DictLoader(case["files"]), autoescape=False, trim_blocks=True)
    try:
        case["output"] = env.get_template("main").render(**case["vars"])
    except Exception as e:  # whatever Jinja2 refuses, we have to refuse
        case["error"] = type(e).__name__ + ": " + str(e)
json.dump(cases, open("cases.json", "w"), indent=1, ensure_ascii=False)
print(len(cases), "cases")
