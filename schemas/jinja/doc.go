// Package jinja reads and renders the part of Jinja2 in which device dictionaries and device-type
// templates are written, with the meaning that Jinja2 3.1 gives it under LAVA's settings:
// trim_blocks on, lstrip_blocks off, no autoescape, lenient undefined, no extensions.
//
// A template is parsed into an exported syntax tree ([Template]), because two questions are
// answered without rendering: which template a dictionary extends, and which literal it assigns
// to a name. An [Environment] renders it with a loader for parents and includes, and with budgets
// of steps, depth and output, so that no template can take the lab's time or memory.
//
// What a child sets at top level is set before its parent runs, so a parent's
// `x | default(y)` sees it: whole device families are configured this way. Values print as Python
// prints them ('a', True, None, {'k': 1}), because the output is read as YAML afterwards.
//
// Not read, and refused by name with template and line: macro, import, from, call, autoescape.
package jinja
