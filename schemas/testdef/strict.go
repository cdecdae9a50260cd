package testdef

import (
	"errors"
	"regexp"

	"strata/schemas/shape"
	"strata/schemas/yaml"
)

// Fixup is the shape of a mapping of raw results to those of a test.
func Fixup() shape.Shape {
	k := shape.Optional("<raw>", shape.Words{"pass", "fail", "skip", "unknown"}, "What the raw result means.")
	return shape.Map{Rest: &k}
}

// Shape describes a test definition, as a file or inline in a job. It asks for more than [Read]
// does: a definition that does not fit may still run.
func Shape() shape.Shape {
	text := shape.Text{}
	texts := shape.List{Of: text}
	opt, req := shape.Optional, shape.Required
	anything := shape.Optional("<name>", shape.Anything{}, "A shell variable.")
	variables := shape.Map{Rest: &anything}
	distro := shape.Optional("deps-<distro>", texts, "Packages to install on one distribution only.").Like("[iproute2]")
	return shape.Named{Name: "testdef", Shape: shape.Map{Says: "a test definition", Keys: []shape.Key{
		req("metadata", shape.Map{Keys: []shape.Key{
			req("format", shape.Words{Format}, "What this file is."),
			req("name", text, "Name of the test.").Like("smoke"),
			opt("description", text, "What the test is about.").Like("Boots and looks around."),
			opt("environment", texts, "Informational: kind of target.").Like("[lava-test-shell]"),
			opt("devices", texts, "Informational: device types that the test runs on.").Like("[qemu]"),
			opt("maintainer", texts, "Informational: who keeps the test.").Like("[lab@example.com]"),
			opt("scope", texts, "Informational: what the test covers.").Like("[functional]"),
			opt("os", texts, "Informational: distributions that the test runs on.").Like("[debian]"),
		}}, "What the test is called."),
		opt("install", shape.Map{
			Pattern: regexp.MustCompile(`^deps-.+$`), Rest: &distro,
			Keys: []shape.Key{
				opt("deps", texts, "Packages to install.").Like("[iproute2]"),
				opt("git-repos", shape.List{Of: shape.Either{text, shape.Map{Keys: []shape.Key{
					opt("url", text, "Repository to clone.").Like("https://example.com/tool.git"),
					opt("branch", text, "Branch to clone.").Like("main"),
					opt("destination", text, "Directory to clone into.").Like("tool"),
				}}}}, "Repositories to clone beside the definition."),
				opt("keys", texts, "Keys of package archives.").Like("[archive-keyring]"),
				opt("steps", texts, "Shell lines to run before the test.").Like("[make]"),
				opt("sources", texts, "Package archives to add.").Like("['deb http://deb.example.com/debian stable main']"),
			},
		}, "What to install before the test."),
		opt("parameters", variables, "Shell variables and their defaults.").Like("{ITERATIONS: '1'}"),
		opt("params", variables, "Shell variables and their defaults.").Like("{ITERATIONS: '1'}"),
		opt("parse", shape.Map{Keys: []shape.Key{
			opt("fixupdict", Fixup(), "What raw results mean.").Like("{PASS: pass}"),
		}}, "How lines of the test become results."),
		opt("run", shape.Map{Keys: []shape.Key{
			req("steps", texts, "Shell lines of the test.").Like("[lava-test-case uname --shell uname -a]"),
		}}, "The test."),
		opt("expected", texts, "Test cases that have to appear; one that does not is reported as failed.").Like("[boot]"),
	}}}
}

// Validate checks the text of a definition file against [Shape].
// Problems come in the order of the text; a text that is no YAML has one.
func Validate(text []byte, m shape.Mode) []shape.Problem {
	root, err := yaml.Parse(text)
	if err != nil {
		p := shape.Problem{Message: err.Error(), Rule: err.Error()}
		var bad *yaml.Error
		if errors.As(err, &bad) {
			p.Line, p.Column, p.Message = bad.Line, bad.Column, bad.Message
		}
		return []shape.Problem{p}
	}
	return shape.Check(Shape(), m, nil, root)
}

//go:generate go test . -run TestPublishedIsCurrent -update

// JSONSchema writes the JSON Schema of a test definition, for editors.
func JSONSchema(m shape.Mode) ([]byte, error) {
	return shape.JSONSchema(Shape(), m, "testdef.schema.json", "Test definition")
}
