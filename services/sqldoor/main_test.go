package sqldoor

import (
	"os"
	"testing"

	"strata/projections"
	engines "strata/projections/engine"
	"strata/projections/engine/enginetest"
)

var clickhouse = enginetest.Engine{Access: engines.Access{Databases: []string{projections.Published}, Rows: policies()}}

func TestMain(m *testing.M) { os.Exit(clickhouse.Run(m)) }

func policies() []engines.Policy {
	var list []engines.Policy
	for _, p := range projections.RowPolicies("strata") {
		list = append(list, engines.Policy(p))
	}
	return list
}
