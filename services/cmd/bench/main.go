// Command bench measures Strata and prints one line a figure. The figures of an area of the house
// (foundation, dispatcher, lab, tables, doors, web) each have a goal; docs/measurements.md is made
// from its output.
package main

import (
	"flag"
	"fmt"
	"os"
)

func main() {
	area := flag.String("area", "foundation", "which figures: foundation, dispatcher, lab, tables, doors or web")
	flag.Parse()
	fmt.Fprintf(os.Stderr, "bench: nothing is measured yet in %s\n", *area)
}
