// Package xmlrpc reads and writes calls, answers and faults of XML-RPC as Python's xmlrpc.client does,
// which is what LAVA's clients are made of.
//
// # Values
//
// A value is one of the Go types nil, bool, int64, float64, string, [time.Time], []byte, []any and [Struct],
// and nothing else:
//
//	nil, ex:nil                      nil
//	boolean                          bool
//	int, i1, i2, i4, i8, biginteger  int64; written as int where it has 32 bits, else as i8
//	double                           float64, finite
//	string, or text without a type   string; written without the characters that XML cannot hold
//	dateTime.iso8601                 time.Time in UTC, whole seconds, years 1 to 9999
//	base64                           []byte
//	array                            []any
//	struct                           Struct, in the order in which it is written
//
// # What it promises
//
// Input is data alone: a document type, and with it every entity but XML's own five, is refused. Values
// lie at most [MaxDepth] deep; how large a document may be is the caller's to bound. What was decoded is
// encoded and decoded again to the same values.
package xmlrpc
