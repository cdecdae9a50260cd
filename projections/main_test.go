package projections

import (
	"os"
	"testing"

	"strata/projections/engine/enginetest"
)

var engine enginetest.Engine

func TestMain(m *testing.M) { os.Exit(engine.Run(m)) }
