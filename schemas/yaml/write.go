package yaml

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"math"
	"regexp"
	"strings"

	yamlv3 "gopkg.in/yaml.v3"

	"strata/schemas/python"
)

// Write returns n as a block of YAML that [Parse], PyYAML and YAML 1.2 readers all read as the
// same value: whatever could be taken for something else is quoted. Anchors, comments and
// layout of a text that n was read from are gone.
func Write(n *Node) ([]byte, error) {
	var out bytes.Buffer
	encoder := yamlv3.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(written(n)); err != nil {
		return nil, fmt.Errorf("write yaml: %w", err)
	}
	if err := encoder.Close(); err != nil {
		return nil, fmt.Errorf("write yaml: %w", err)
	}
	return out.Bytes(), nil
}

// written turns a value into a node that the emitter of yaml.v3 writes as we want it.
func written(n *Node) *yamlv3.Node {
	if n == nil {
		return plain("null")
	}
	switch n.Kind {
	case Null:
		return plain("null")
	case Bool:
		if n.Bool {
			return plain("true")
		}
		return plain("false")
	case Int:
		return plain(n.Repr())
	case Float:
		return plain(writtenFloat(n.Float))
	case Time:
		if implicitTag(n.Text) == tagTime {
			return plain(n.Text)
		}
		return plain(n.printTime())
	case Binary:
		return &yamlv3.Node{Kind: yamlv3.ScalarNode, Style: yamlv3.TaggedStyle | yamlv3.DoubleQuotedStyle,
			Tag: tagBinary, Value: base64.StdEncoding.EncodeToString([]byte(n.Text))}
	case List:
		y := &yamlv3.Node{Kind: yamlv3.SequenceNode, Style: flowIfEmpty(len(n.Items))}
		for _, item := range n.Items {
			y.Content = append(y.Content, written(item))
		}
		return y
	case Map, Set:
		y := &yamlv3.Node{Kind: yamlv3.MappingNode, Style: flowIfEmpty(len(n.Pairs))}
		if n.Kind == Set {
			y.Tag, y.Style = tagSet, y.Style|yamlv3.TaggedStyle
		}
		for _, p := range n.Pairs {
			key := written(p.Key)
			key.Style &^= yamlv3.LiteralStyle
			if strings.Contains(key.Value, "\n") {
				key.Style |= yamlv3.DoubleQuotedStyle
			}
			y.Content = append(y.Content, key, written(p.Value))
		}
		return y
	}
	return writtenText(n.Text)
}

// plain is a scalar without quotes, for texts that no reader takes for a string.
func plain(value string) *yamlv3.Node {
	return &yamlv3.Node{Kind: yamlv3.ScalarNode, Value: value}
}

// flowIfEmpty writes [] and {} where there is nothing to put on lines of their own.
func flowIfEmpty(length int) yamlv3.Style {
	if length == 0 {
		return yamlv3.FlowStyle
	}
	return 0
}

// harmless are texts that need no quotes anywhere in any version of YAML, if no plain scalar of
// the same look means something else; block are those that a literal block keeps.
var (
	harmless = regexp.MustCompile(`^[A-Za-z/][-A-Za-z0-9_./@+=~]*(?::?[ -][-A-Za-z0-9_./@+=~(),]+)*$`)
	block    = regexp.MustCompile(`^[!-~][ -~]*(?:\n+[ \t-~]*[!-~])*\n$`)
)

// writtenText chooses how a string is written: plain where nobody could take it for anything else,
// as a block where it has lines, else with double quotes, which can hold everything.
func writtenText(s string) *yamlv3.Node {
	y := &yamlv3.Node{Kind: yamlv3.ScalarNode, Tag: tagStr, Value: s, Style: yamlv3.DoubleQuotedStyle}
	switch {
	case implicitTag(s) == tagStr && !strings.Contains(s, ": ") && !strings.HasSuffix(s, " ") && harmless.MatchString(s) && len(s) < 200:
		y.Style = 0
	case block.MatchString(s):
		y.Style = yamlv3.LiteralStyle
	}
	return y
}

// writtenFloat writes what YAML 1.1 takes for a float: with a point, and a signed exponent.
func writtenFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return ".nan"
	case math.IsInf(f, 1):
		return ".inf"
	case math.IsInf(f, -1):
		return "-.inf"
	}
	s := python.Float(f)
	if mantissa, exponent, ok := strings.Cut(s, "e"); ok && !strings.Contains(mantissa, ".") {
		s = mantissa + ".0e" + exponent
	}
	return s
}
