package pipeline

import (
	"fmt"
	"strconv"
	"strings"
)

// Node is a step as a plan shows it. It is LAVA's description.yaml and what programs read.
type Node struct {
	Name        string  `json:"name"`
	Level       string  `json:"level"`
	MaxRetries  int     `json:"max_retries"`
	Description string  `json:"description,omitempty"`
	Timeout     float64 `json:"timeout"` // seconds
	URL         string  `json:"url,omitempty"`
	Pipeline    []Node  `json:"pipeline,omitempty"`
}

// Description is a whole plan; as JSON it has one key, pipeline.
type Description struct {
	Pipeline []Node `json:"pipeline"`
}

// Describe returns the plan as data.
func (p *Plan) Describe() Description { return Description{nodes(p.Steps)} }

func nodes(steps []*Step) []Node {
	out := make([]Node, len(steps))
	for i, step := range steps {
		out[i] = Node{
			Name: step.Name(), Level: step.Level, MaxRetries: step.MaxRetries,
			Timeout: step.Timeout.Seconds(), Pipeline: nodes(step.Children),
		}
		if d, ok := step.Action.(Describer); ok {
			out[i].Description = d.Description()
		}
		if d, ok := step.Action.(Downloader); ok {
			out[i].URL = d.URL()
		}
	}
	return out
}

// Text prints the plan for people: a line a step, indented by level.
func (d Description) Text() string {
	var b strings.Builder
	var print func(nodes []Node, depth int)
	print = func(nodes []Node, depth int) {
		for _, n := range nodes {
			fmt.Fprintf(&b, "%s%s %s (%s", strings.Repeat("  ", depth), n.Level, n.Name, seconds(n.Timeout))
			if n.MaxRetries != 1 {
				fmt.Fprintf(&b, ", %d attempts", n.MaxRetries)
			}
			b.WriteString(")")
			if n.URL != "" {
				b.WriteString(" " + n.URL)
			}
			b.WriteString("\n")
			print(n.Pipeline, depth+1)
		}
	}
	print(d.Pipeline, 0)
	return b.String()
}

func seconds(s float64) string { return strconv.FormatFloat(s, 'f', -1, 64) + " s" }

// YAML prints the plan in the shape of LAVA's description.yaml. Every text is quoted, which any
// reader of YAML understands.
func (d Description) YAML() string {
	var b strings.Builder
	b.WriteString("pipeline:\n")
	var print func(nodes []Node, indent string)
	print = func(nodes []Node, indent string) {
		for _, n := range nodes {
			fmt.Fprintf(&b, "%s- class: %s\n", indent, strconv.Quote(n.Name))
			fmt.Fprintf(&b, "%s  name: %s\n", indent, strconv.Quote(n.Name))
			fmt.Fprintf(&b, "%s  level: %s\n", indent, strconv.Quote(n.Level))
			fmt.Fprintf(&b, "%s  max_retries: %d\n", indent, n.MaxRetries)
			fmt.Fprintf(&b, "%s  description: %s\n", indent, strconv.Quote(n.Description))
			fmt.Fprintf(&b, "%s  summary: %s\n", indent, strconv.Quote(n.Description))
			fmt.Fprintf(&b, "%s  timeout: %s\n", indent, strconv.FormatFloat(n.Timeout, 'f', -1, 64))
			if n.URL != "" {
				fmt.Fprintf(&b, "%s  url: %s\n", indent, strconv.Quote(n.URL))
			}
			if len(n.Pipeline) > 0 {
				fmt.Fprintf(&b, "%s  pipeline:\n", indent)
				print(n.Pipeline, indent+"  ")
			}
		}
	}
	print(d.Pipeline, "")
	return b.String()
}
