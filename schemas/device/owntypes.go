package device

import (
	"embed"
	"io/fs"
	"slices"
	"strings"
)

// own are the device types that come with Strata, written for boards in general.
//
//go:embed types/*.jinja2
var own embed.FS

// ownPrefix begins the names of templates that are parts of types and no types.
const ownPrefix = "strata-"

// OwnTemplate returns the text of a template that comes with Strata, by its name in dictionaries,
// such as "qemu.jinja2". It stands where a lab has no template of the name.
// A name with a folder in it is never found: there are none.
func OwnTemplate(name string) (text string, ok bool) {
	body, err := own.ReadFile("types/" + name)
	return string(body), err == nil
}

// OwnTypes returns the names of the device types that come with Strata, in order.
func OwnTypes() []string {
	files, err := fs.Glob(own, "types/*.jinja2")
	if err != nil {
		panic(err) // the pattern is a constant
	}
	var names []string
	for _, file := range files {
		name := strings.TrimSuffix(strings.TrimPrefix(file, "types/"), ".jinja2")
		if !strings.HasPrefix(name, ownPrefix) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
