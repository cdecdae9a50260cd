//go:generate go test . -run TestPublishedIsCurrent -update

package strict

import "strata/schemas/shape"

// JSONSchema writes the JSON Schema (draft 2020-12) of a job definition, for editors. It takes what
// the validator takes in that mode, but for three things that a schema of JSON cannot say or an
// editor should not: whether a timeout is longer than the job's, YAML's dates and binaries (texts,
// in JSON), and second actions in one item of the list, which it checks as well.
func JSONSchema(m shape.Mode, extraContext []string) ([]byte, error) {
	item := shape.Map{Says: "an action", Least: 1}
	docs := map[Kind]string{
		Deploy: "Bring files to the device.", Boot: "Start the device.",
		Test: "Run tests.", Command: "Run a command of the device on the worker.",
	}
	shapes := actionShapes()
	for _, k := range kinds() {
		item.Keys = append(item.Keys, optional(string(k), shapes[k], docs[k]))
	}
	job := definition(extraContext, shape.List{Of: item})
	return shape.JSONSchema(job, m, "job.schema.json", "Job definition", typeOrRoles(), allNamespaces(), noStrangers())
}

// typeOrRoles is the JSON form of multinodeRules.
func typeOrRoles() map[string]any {
	var alone []any
	for _, key := range []string{"device_type", "environment", "context", "tags"} {
		alone = append(alone, needs(key))
	}
	return map[string]any{
		"if":   map[string]any{"properties": map[string]any{"protocols": needs(multinode)}, "required": []string{"protocols"}},
		"then": map[string]any{"not": map[string]any{"anyOf": alone}, "properties": map[string]any{"actions": map[string]any{"items": eachKind(needs("role"))}}},
		"else": needs("device_type"),
	}
}

// allNamespaces is the JSON form of namespaceRule.
func allNamespaces() map[string]any {
	var some []any
	for _, k := range kinds() {
		some = append(some, map[string]any{"properties": map[string]any{string(k): needs("namespace")}, "required": []string{string(k)}})
	}
	return map[string]any{
		"if": map[string]any{
			"properties": map[string]any{"actions": map[string]any{"contains": map[string]any{"anyOf": some}}},
			"required":   []string{"actions"},
		},
		"then": map[string]any{"properties": map[string]any{"actions": map[string]any{"items": eachKind(needs("namespace"))}}},
	}
}

// noStrangers refuses an item of the list without any of the kinds, in both modes.
// Without it an item that is misspelt would pass in the lenient schema: unknown keys do there.
func noStrangers() map[string]any {
	var one []any
	for _, k := range kinds() {
		one = append(one, needs(string(k)))
	}
	return map[string]any{"properties": map[string]any{"actions": map[string]any{"items": map[string]any{"anyOf": one}}}}
}

func needs(key string) map[string]any {
	return map[string]any{"type": "object", "required": []string{key}}
}

func eachKind(schema map[string]any) map[string]any {
	properties := map[string]any{}
	for _, k := range kinds() {
		properties[string(k)] = schema
	}
	return map[string]any{"properties": properties}
}
