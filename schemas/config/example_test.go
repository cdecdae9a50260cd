package config_test

import (
	"fmt"
	"strings"

	"strata/schemas/config"
)

func ExampleSettings() {
	for _, s := range config.Settings() {
		if strings.HasPrefix(s.Key, "clickhouse.") || s.Key == "jobs.output_limit" {
			fmt.Printf("%s: %s  # %s\n", s.Key, s.Default, s.About)
		}
	}
	// Output:
	// clickhouse.dsn:   # ClickHouse server to use; empty runs the embedded engine
	// clickhouse.library:   # path of libchdb.so; empty looks in the usual places
	// jobs.output_limit: 1GiB  # bytes of log that a job may write
}
