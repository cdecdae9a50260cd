// Package job reads job definitions: what a user submits to have an image deployed, booted and
// tested on a device.
//
// A definition is YAML ([strata/schemas/yaml]). It has a name, a device type or multinode roles,
// timeouts, a visibility, and a list of actions (deploy, boot, test, command), each a mapping whose
// keys depend on its method. [Read] turns the text into a [Definition] and is tolerant, like the
// dispatcher of LAVA: it refuses only what it cannot make sense of. What is particular to a method
// stays a YAML node with its line and column, for the code of that method to read.
//
// [Check] is the gate: the validation that every submission passes, or is rejected by. Its rules,
// order and messages are those of LAVA's lava_scheduler_app/schema.py, whose messages clients match
// on, with the line and column added. The gate is lenient on purpose: it knows the common keys and
// little of the methods. The strict validation, one schema a method and advice only, is package
// [strata/schemas/job/strict].
//
// [Definition.Split] makes the parts of a multinode definition, one a node. It is a pure function:
// the same text and group give the same parts.
package job
