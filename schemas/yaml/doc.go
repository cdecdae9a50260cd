// Package yaml reads YAML the way LAVA reads it: YAML 1.1 with the scalars, tags and merge keys of
// PyYAML's safe loader, and writes it back so that it reads the same.
//
// Job definitions, device dictionaries and test definitions in use for ten years depend on that
// reading: yes and off are booleans, 010 is eight, 1:30 is ninety, a key that stands twice keeps
// its last value. The syntax is scanned by gopkg.in/yaml.v3, which stems from the same libyaml as
// the loader of LAVA; what a scalar or tag means is decided here.
//
// [Parse] gives a tree of [Node]. Every node keeps the line and column where it begins, so that
// whoever finds fault with a value can say where it stands. JSON is accepted because it is YAML.
// Several documents in one text, unknown tags and objects of a programming language are refused.
//
// Text comes from strangers, so reading has budgets ([Limits]): bytes of text, depth of nesting,
// and nodes after aliases are followed. A text that breaks one is refused with an [Error] which
// names the budget; nothing is expanded first, so a "billion laughs" costs nothing.
package yaml
