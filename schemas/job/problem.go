package job

import (
	"strings"

	"strata/schemas/yaml"
)

// Problem is one thing that is wrong with a definition.
type Problem struct {
	Message string // LAVA's, path included, such as "extra keys not allowed @ data['x']"
	Path    string // such as "data['timeouts']['job']"; "" for the document
	Line    int    // from 1; 0 where unknown
	Column  int    // from 1; 0 where unknown

	text string   // the message without its path
	path []string // the elements as Python prints them: 'actions', 0, 'deploy'
	at   *yaml.Node
}

// Error returns the message and the place.
func (p *Problem) Error() string {
	if p.Line == 0 {
		return p.Message
	}
	return p.Message + " (" + p.at.Where() + ")"
}

// problemAt makes a problem of the value at path, with the path in the message as voluptuous, the
// library of LAVA's schemas, prints it.
// path is kept as it is given: who goes on to append to it has to copy it first.
func problemAt(at *yaml.Node, path []string, text string) *Problem {
	p := sentence(at, text)
	p.path = path
	if len(path) > 0 {
		p.Path = "data[" + strings.Join(path, "][") + "]"
		p.Message = text + " @ " + p.Path
	}
	return p
}

// sentence makes a problem whose message stands alone.
func sentence(at *yaml.Node, text string) *Problem {
	p := &Problem{Message: text, text: text, at: at}
	if at != nil {
		p.Line, p.Column = at.Line, at.Column
	}
	return p
}
