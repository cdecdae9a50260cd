package judgement

import (
	"os"
	"testing"

	"strata/projections/engine/enginetest"
)

var clickhouse enginetest.Engine

func TestMain(m *testing.M) { os.Exit(clickhouse.Run(m)) }
