package pipeline

import (
	"fmt"
	"slices"
	"strings"

	"strata/schemas/shape"
)

// Method is one way to carry out a block: a row of the table of its kind. Deploy, boot and test
// each have a table, in a file methods.go.
type Method struct {
	Name string // for messages, such as "qemu"
	// Words are what chooses the method in a block: values of a deploy block's "to" or a boot block's
	// "method", a key of a test block. Only messages about misspelt ones use them; none: the Name.
	Words    []string
	Priority int // the highest willing one is taken, the first of equals; nearly all have 0
	// Accepts returns "" if the method will do for the block on the device, else why not. An error
	// ends the planning.
	Accepts func(device, block Data) (refusal string, err error)
	// Action returns the root action for the block.
	Action func(block Data) Action
	// Test is what a test method needs of deploy and boot; for the other kinds it is unused.
	Test func(block Data) TestInfo
	// NoDeploymentData says that a deploy method has no use for the table of operating systems.
	NoDeploymentData bool
}

// unknown says that a block chooses a method that is in no row of the table, and which is spelt
// nearest; "" where the table has it, or the block names none.
func unknown(b block, table []Method) string {
	var words []string
	for _, m := range table {
		if len(m.Words) == 0 {
			words = append(words, m.Name)
		}
		words = append(words, m.Words...)
	}
	var given []string
	switch b.kind {
	case "deploy":
		given = append(given, b.data.Get("to").Text())
	case "boot":
		given = append(given, b.data.Get("method").Text())
	case "test":
		for _, p := range b.data.Pairs() {
			// Most keys of a test block are parameters, which stand for no method.
			if slices.Contains(words, p.Key) || shape.Nearest(p.Key, words) != "" {
				given = append(given, p.Key)
			}
		}
	}
	for _, word := range given {
		if word == "" || slices.Contains(words, word) {
			return ""
		}
	}
	if len(given) == 0 {
		return ""
	}
	if near := shape.Nearest(given[0], words); near != "" {
		return fmt.Sprintf("unknown method '%s': did you mean '%s'? ", given[0], near)
	}
	slices.Sort(words)
	return fmt.Sprintf("unknown method '%s': allowed are %s. ", given[0], strings.Join(slices.Compact(words), ", "))
}

// Methods are the tables that Parse chooses from.
type Methods struct {
	Deploy, Boot, Test []Method
	Command            func(block Data) Action
	Finalize           func() Action
}
