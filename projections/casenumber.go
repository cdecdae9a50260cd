package projections

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"

	"strata/events"
)

// CaseNumbered returns the test case of a number that [events.CaseNumber] gave, or [ErrNotFound].
func (db *DB) CaseNumbered(ctx context.Context, number uint64) (Case, error) {
	seq, n := events.CasePlace(number)
	list, err := all[Case](ctx, db, "SELECT "+strings.Join(columns[Case](), ", ")+" FROM test_cases WHERE seq = {seq:UInt64} AND n = {n:UInt32} LIMIT 1",
		clickhouse.Named("seq", seq), clickhouse.Named("n", n))
	switch {
	case err != nil:
		return Case{}, fmt.Errorf("find test case %d: %w", number, err)
	case len(list) == 0:
		return Case{}, fmt.Errorf("find test case %d: %w", number, ErrNotFound)
	}
	return list[0], nil
}
