// Package shape describes which values may stand where in a YAML document, once, and reads the
// description in three ways: as a validator that knows line and column ([Check]), as a JSON Schema
// for editors ([JSONSchema]), and as rows of a reference ([Key], with unit, default, example and a
// sentence).
//
// A [Shape] is a tree of values: texts, words, numbers, lists, mappings with their keys, and choices
// among them. Rules that span a document, such as one timeout being longer than another, are not
// shapes; whoever has such rules checks them beside it.
//
// Values are judged as voluptuous judges them, the Python library in which LAVA's schemas are
// written: a boolean is a number too, a mapping's unknown keys are refused or let pass as a whole
// ([Mode]), and an alternative counts when nothing is wrong with it. Nothing here knows of jobs.
package shape
