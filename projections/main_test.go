package projections

import (
	"os"
	"slices"
	"testing"

	engines "strata/projections/engine"
	"strata/projections/engine/enginetest"
)

// The labs with and without hidden jobs have names of their own, for policies are of names.
const withHidden, withoutHidden = "lab_a", "lab_b"

var engine = enginetest.Engine{Access: engines.Access{
	Databases: []string{publishedName(withHidden), publishedName(withoutHidden)},
	Rows:      policies(withHidden, withoutHidden),
}}

func TestMain(m *testing.M) { os.Exit(engine.Run(m)) }

func policies(databases ...string) []engines.Policy {
	var list []engines.Policy
	for _, d := range databases {
		for _, p := range RowPolicies(d) {
			list = append(list, engines.Policy(p))
		}
	}
	return slices.Clip(list)
}
