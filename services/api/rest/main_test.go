package rest_test

import (
	"os"
	"testing"

	"strata/projections/engine/enginetest"
)

// engine is for the tests that ask tables.
var engine enginetest.Engine

func TestMain(m *testing.M) { os.Exit(engine.Run(m)) }
