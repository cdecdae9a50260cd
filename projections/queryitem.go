package projections

import "strata/events"

// queryItemRow is a row of query_items: one row that a refresh of a query found.
type queryItemRow struct {
	Query     uint64 `ch:"query"`
	Seq       uint64 `ch:"seq"`
	N         uint32 `ch:"n"`
	Job       uint64 `ch:"job"`
	Suite     string `ch:"suite"`
	ResultSeq uint64 `ch:"result_seq"`
	ResultN   uint32 `ch:"result_n"`
}

func queryItemRows(f fact) []queryItemRow {
	e, ok := f.Event.(events.QueryRefreshed)
	if !ok {
		return nil
	}
	// Rows of earlier refreshes stay: a table that forgot them would hang on more than one message, and a
	// query as it was yesterday is found by its refresh of then.
	rows := make([]queryItemRow, len(e.Items))
	for i, item := range e.Items {
		rows[i] = queryItemRow{uint64(e.Query), f.Seq, uint32(i), uint64(item.Job), item.Suite, item.Seq, uint32(item.N)}
	}
	return rows
}
