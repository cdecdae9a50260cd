// Package device reads device configurations: what a board is, how it is powered, connected and
// booted.
//
// In a lab a device has a dictionary, a Jinja2 template that extends the template of its type; the
// template rendered for a job is YAML, and that is what a worker is handed. [Templates] renders
// dictionaries (package jinja is the language); [Load] reads what is rendered, and a lab may also
// keep rendered YAML in place of a dictionary.
//
// A [Device] keeps the parts that all jobs need as structs, and the rest as YAML nodes with their
// lines, for the methods that read them. The keys are those of LAVA's device schema; an unknown one
// at the top level makes a configuration invalid.
package device
