#!/usr/bin/python3
"""Answer what Jinja2 itself makes of templates: a case a line comes in and goes out, as JSON."""
import json
import sys
import jinja2
import jinja2.sandbox

env = jinja2.sandbox.SandboxedEnvironment(autoescape=False, trim_blocks=True, cache_size=0)
for line in sys.stdin:
    case = json.loads(line)
    env.loader = jinja2.DictLoader(case["files"])
    try:
        case["output"] = env.get_template("main").render(**case["vars"])
    except Exception as e:  # whatever Jinja2 refuses, we have to refuse
        case["error"] = type(e).__name__ + ": " + str(e)
    print(json.dumps(case))
