package overlay

import (
	"fmt"
	"regexp"
	"slices"

	"strata/dispatcher/pipeline"
	"strata/schemas/testdef"
)

// Tests are the definitions of a namespace's test blocks, for the test action, as the overlay that
// was deployed last has them.
const Tests pipeline.Key[[]*Run] = "test-definition/test-definition/test_list"

// Run is one definition as the test action needs it.
type Run struct {
	Name       string        // N_name, as in its results
	UUID       string        // <job>_<level of its repo action>
	Stage      int           // which test block
	Repository pipeline.Data // as the job has it: the URL, or the whole inline definition
	Path       string
	Revision   string // "unspecified" where the job names none
	Commit     string // of git
	Loaded     bool   // the fields below are known

	HasParse bool // the file has a parse section
	Pattern  string
	Fixup    []pipeline.Pair // raw result to result
	Expected []string        // of the file; the job's list wins
}

// entry is one definition while the overlay is made.
type entry struct {
	Definition
	run   *Run
	local string // its directory on the worker, below work.dir
}

// Number names the definitions of test blocks: the number counts over all blocks that have
// definitions, in order.
func Number(blocks []pipeline.Data) [][]string {
	var names [][]string
	n := 0
	for _, block := range blocks {
		var own []string
		for _, d := range block.Get("definitions").Items() {
			own = append(own, fmt.Sprintf("%d_%s", n, d.Get("name").Text()))
			n++
		}
		names = append(names, own)
	}
	return names
}

// Find returns the names of the definitions of one of the blocks, and its stage: the number of
// blocks with definitions before it. The block may be a copy with other parameters.
func Find(blocks []pipeline.Data, block pipeline.Data) (names []string, stage int, ok bool) {
	own := block.Get("definitions").Items()
	all := Number(blocks)
	for i, b := range blocks {
		items := b.Get("definitions").Items()
		// Two blocks may say the same, but the items of each lie in their own place.
		if len(own) > 0 && len(items) > 0 && &items[0] == &own[0] {
			return all[i], stage, true
		}
		if b.Has("definitions") {
			stage++
		}
	}
	return nil, 0, false
}

// suiteName is what a definition may be called.
var suiteName = regexp.MustCompile(`^[\w.-]+$`)

// checkNames says what is wrong with the names of a namespace's definitions.
func checkNames(blocks []pipeline.Data) []string {
	var problems, seen []string
	for _, block := range blocks {
		for _, d := range block.Get("definitions").Items() {
			name := d.Get("name").Text()
			switch {
			case !suiteName.MatchString(name):
				problems = append(problems, fmt.Sprintf("Invalid characters found in test definition name: %s", name))
			case name == "lava":
				problems = append(problems, "The name lava is reserved for the job's own results")
			case slices.Contains(seen, name):
				problems = append(problems, fmt.Sprintf("Test definition names need to be unique: %s is there more than once", name))
			}
			seen = append(seen, name)
		}
	}
	return problems
}

// load takes what the definition's file says. It is called again when a retry makes the overlay
// again.
func (e *entry) load(d *testdef.Definition) {
	e.File = pipeline.FromYAML(d.Root)
	parse := e.File.Get("parse")
	e.run.HasParse = parse.Kind() == pipeline.Mapping
	e.run.Pattern = parse.Get("pattern").Text()
	e.run.Fixup = parse.Get("fixupdict").Pairs()
	e.run.Expected = d.Expected
	e.run.Loaded = true
}
