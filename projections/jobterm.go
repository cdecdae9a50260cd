package projections

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// JobTerm is one condition on jobs. The same condition can be asked of the tables and held against a job in
// hand ([JobTerm.Holds]), so that a list may be put together of rows and of what has not become rows yet.
type JobTerm struct {
	Field  string   `json:"field"`            // one of [JobFields]
	Path   []string `json:"path,omitempty"`   // of metadata: the key, and keys below it where its value is JSON
	Op     TermOp   `json:"op"`               // what must hold
	Values []string `json:"values,omitempty"` // what to compare with; times as RFC 3339, truths as true and false
	Not    bool     `json:"not,omitempty"`    // must not hold
	// Any are conditions of which one has to hold, in place of a field and an operator: what somebody types into the
	// search of a list may stand in any column. One level deep, and at most [mostAny].
	Any []JobTerm `json:"any,omitempty"`
}

// mostAny bounds [JobTerm.Any]: a list has fewer columns than that, and each is read of every job.
const mostAny = 20

// TermOp is how a [JobTerm] compares.
type TermOp string

// The ways to compare. Lists, such as tags, meet a condition where one of their members does.
const (
	TermExact       TermOp = "exact"
	TermIExact      TermOp = "iexact" // in any case
	TermIn          TermOp = "in"     // is one of the values
	TermContains    TermOp = "contains"
	TermIContains   TermOp = "icontains"
	TermStartsWith  TermOp = "startswith"
	TermIStartsWith TermOp = "istartswith"
	TermEndsWith    TermOp = "endswith"
	TermIEndsWith   TermOp = "iendswith"
	TermRegex       TermOp = "regex" // RE2
	TermIRegex      TermOp = "iregex"
	TermLT          TermOp = "lt"
	TermLTE         TermOp = "lte"
	TermGT          TermOp = "gt"
	TermGTE         TermOp = "gte"
	TermIsNull      TermOp = "isnull" // has no value; of a text: is empty
	TermHas         TermOp = "has"    // of metadata: has the key
	TermHasAny      TermOp = "hasany" // of metadata: has one of the keys that Path names
)

// jobField is what can be asked of a job: its column of the view jobs, and the same of a row in hand.
type jobField struct {
	name, column string
	kind         termKind
	text         func(*SelectedJob) string // of texts
	list         func(*SelectedJob) []string
	number       func(*SelectedJob) int64
	time         func(*SelectedJob) *time.Time
}

type termKind uint8

const (
	termText termKind = iota
	termList
	termNumber
	termTime
	termTruth
	termMetadata
)

// jobFields lists them. Each stands here once, for both ways of asking.
func jobFields() []jobField {
	text := func(name, column string, of func(*SelectedJob) string) jobField {
		return jobField{name: name, column: column, text: of}
	}
	list := func(name, column string, of func(*SelectedJob) []string) jobField {
		return jobField{name: name, column: column, kind: termList, list: of}
	}
	moment := func(name, column string, of func(*SelectedJob) *time.Time) jobField {
		return jobField{name: name, column: column, kind: termTime, time: of}
	}
	truth := func(name, column string, of func(*SelectedJob) bool) jobField {
		return jobField{name: name, column: column, kind: termTruth, number: func(j *SelectedJob) int64 { return int64(bit(of(j))) }}
	}
	return []jobField{
		{name: "id", column: "job", kind: termNumber, number: func(j *SelectedJob) int64 { return int64(j.Job.Job) }},
		{name: "priority", column: "priority", kind: termNumber, number: func(j *SelectedJob) int64 { return int64(j.Priority) }},
		moment("submit_time", "submitted_at", func(j *SelectedJob) *time.Time { return &j.SubmittedAt }),
		moment("start_time", "started_at", func(j *SelectedJob) *time.Time { return j.StartedAt }),
		moment("end_time", "ended_at", func(j *SelectedJob) *time.Time { return j.EndedAt }),
		truth("health_check", "health_check", func(j *SelectedJob) bool { return j.HealthCheck }),
		truth("rejected", "rejected", func(j *SelectedJob) bool { return j.Rejected }),
		truth("retried", "retried_as != 0", func(j *SelectedJob) bool { return j.RetriedAs != 0 }),
		text("display", "display", func(j *SelectedJob) string { return j.Display }),
		text("state", "state", func(j *SelectedJob) string { return j.State }),
		text("health", "health", func(j *SelectedJob) string { return j.Health }),
		text("description", "name", func(j *SelectedJob) string { return j.Name }),
		text("submitter", "user", func(j *SelectedJob) string { return j.User }),
		text("device_type", "device_type", func(j *SelectedJob) string { return j.DeviceType }),
		text("device", "device", func(j *SelectedJob) string { return j.Device }),
		text("worker", "worker", func(j *SelectedJob) string { return j.Worker }),
		text("target_group", "group_id", func(j *SelectedJob) string { return j.GroupID }),
		text("failure_comment", "comment", func(j *SelectedJob) string { return j.Comment }),
		text("error_type", "error_type", func(j *SelectedJob) string { return j.ErrorType }),
		list("tags", "tags", func(j *SelectedJob) []string { return j.Tags }),
		list("groups", "groups", func(j *SelectedJob) []string { return j.Groups }),
		list("failure_tags", "failure_tags", func(j *SelectedJob) []string { return j.FailureTags }),
		{name: "metadata", column: "metadata", kind: termMetadata},
	}
}

// JobFields names the fields that a [JobTerm] may ask of.
func JobFields() []string {
	var names []string
	for _, f := range jobFields() {
		names = append(names, f.name)
	}
	return names
}

func (t JobTerm) field() (jobField, error) {
	all := jobFields()
	i := slices.IndexFunc(all, func(f jobField) bool { return f.name == t.Field })
	if i < 0 {
		return jobField{}, fmt.Errorf("field %q: want one of %s", t.Field, strings.Join(JobFields(), ", "))
	}
	return all[i], nil
}

// Check says what is wrong with a term, or nothing.
func (t JobTerm) Check() error {
	if len(t.Any) > 0 {
		return t.checkAny()
	}
	f, err := t.field()
	if err != nil {
		return err
	}
	if t.Op != TermIn && t.Op != TermHas && t.Op != TermHasAny && len(t.Values) != 1 {
		return fmt.Errorf("%s: has %d values, want 1", t.Field, len(t.Values))
	}
	if f.kind == termMetadata && len(t.Path) == 0 {
		return fmt.Errorf("metadata: name a key")
	}
	switch t.Op {
	case TermIsNull:
		if _, err := truthOf(t.Values[0]); err != nil {
			return fmt.Errorf("%s: %w", t.Field, err)
		}
		return nil
	case TermHas, TermHasAny:
		if f.kind != termMetadata {
			return fmt.Errorf("%s: only metadata has keys", t.Field)
		}
		return nil
	case TermRegex, TermIRegex:
		if _, err := regexp.Compile(t.Values[0]); err != nil {
			return fmt.Errorf("%s: %w", t.Field, err)
		}
	}
	ordered := slices.Contains([]TermOp{TermExact, TermIn, TermLT, TermLTE, TermGT, TermGTE}, t.Op)
	for _, v := range t.Values {
		switch f.kind {
		case termNumber:
			_, err = strconv.ParseInt(v, 10, 64)
		case termTime:
			_, err = time.Parse(time.RFC3339Nano, v)
		case termTruth:
			_, err = truthOf(v)
		default:
			if slices.Contains([]TermOp{TermLT, TermLTE, TermGT, TermGTE}, t.Op) {
				err = fmt.Errorf("texts have no order here")
			}
			ordered = true
		}
		if err == nil && !ordered {
			err = fmt.Errorf("cannot be compared by %s", t.Op)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", t.Field, err)
		}
	}
	return nil
}

// checkAny says what is wrong with a term of several.
func (t JobTerm) checkAny() error {
	switch {
	case t.Field != "" || t.Op != "" || len(t.Values) > 0 || len(t.Path) > 0:
		return fmt.Errorf("any: stands in place of a field, here %q, and of its op and values", t.Field)
	case len(t.Any) > mostAny:
		return fmt.Errorf("any: has %d conditions, at most %d are allowed", len(t.Any), mostAny)
	}
	for _, one := range t.Any {
		if len(one.Any) > 0 {
			return fmt.Errorf("any: has an any within, which is not allowed")
		}
		if err := one.Check(); err != nil {
			return err
		}
	}
	return nil
}

func truthOf(text string) (bool, error) {
	switch strings.ToLower(text) {
	case "true", "1":
		return true, nil
	case "false", "0":
		return false, nil
	}
	return false, fmt.Errorf("%.40q is neither true nor false", text)
}

// Holds tells whether a job in hand meets a term, which [JobTerm.Check] must have passed.
func (t JobTerm) Holds(j *SelectedJob) bool {
	if len(t.Any) > 0 {
		return slices.ContainsFunc(t.Any, func(one JobTerm) bool { return one.Holds(j) }) != t.Not
	}
	f, err := t.field()
	return err == nil && t.holds(f, j) != t.Not
}

func (t JobTerm) holds(f jobField, j *SelectedJob) bool {
	switch f.kind {
	case termNumber, termTruth:
		return slices.ContainsFunc(t.Values, func(v string) bool { return compared(t.Op, f.number(j), t.numberOf(f, v)) })
	case termTime:
		at := f.time(j)
		if t.Op == TermIsNull {
			null, _ := truthOf(t.Values[0])
			return null == (at == nil)
		}
		return at != nil && slices.ContainsFunc(t.Values, func(v string) bool {
			want, _ := time.Parse(time.RFC3339Nano, v)
			return compared(t.Op, at.UnixMicro(), want.UnixMicro())
		})
	case termList:
		if t.Op == TermIsNull {
			null, _ := truthOf(t.Values[0])
			return null == (len(f.list(j)) == 0)
		}
		return slices.ContainsFunc(f.list(j), t.holdsOf)
	case termMetadata:
		value, there := below(j.Metadata, t.Path)
		switch t.Op {
		case TermHasAny:
			return slices.ContainsFunc(t.Path, func(key string) bool { _, there := j.Metadata[key]; return there })
		case TermHas:
			return there
		case TermIsNull:
			null, _ := truthOf(t.Values[0])
			return null == !there
		}
		return there && t.holdsOf(value)
	}
	return t.holdsOf(f.text(j))
}

// numberOf reads a number or, as 0 and 1, a truth.
func (t JobTerm) numberOf(f jobField, text string) int64 {
	if f.kind == termTruth {
		yes, _ := truthOf(text)
		return int64(bit(yes))
	}
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

func compared(op TermOp, is, want int64) bool {
	switch op {
	case TermLT:
		return is < want
	case TermLTE:
		return is <= want
	case TermGT:
		return is > want
	case TermGTE:
		return is >= want
	}
	return is == want
}

// holdsOf compares a text.
func (t JobTerm) holdsOf(is string) bool {
	if t.Op == TermIn {
		return slices.Contains(t.Values, is)
	}
	want := t.Values[0]
	switch t.Op {
	case TermIExact, TermIContains, TermIStartsWith, TermIEndsWith:
		is, want = strings.ToLower(is), strings.ToLower(want)
	}
	switch t.Op {
	case TermContains, TermIContains:
		return strings.Contains(is, want)
	case TermStartsWith, TermIStartsWith:
		return strings.HasPrefix(is, want)
	case TermEndsWith, TermIEndsWith:
		return strings.HasSuffix(is, want)
	case TermRegex, TermIRegex:
		if t.Op == TermIRegex {
			want = "(?i)" + want
		}
		found, err := regexp.MatchString(want, is)
		return err == nil && found
	case TermIsNull:
		null, _ := truthOf(want)
		return null == (is == "")
	}
	return is == want
}

// below returns the value of a key of metadata, or of a key within a value that is JSON: texts as they
// are, all else as JSON.
func below(metadata map[string]string, path []string) (string, bool) {
	value, there := metadata[path[0]]
	for _, key := range path[1:] {
		var inner map[string]json.RawMessage
		if !there || json.Unmarshal([]byte(value), &inner) != nil {
			return "", false
		}
		var raw json.RawMessage
		if raw, there = inner[key]; !there {
			return "", false
		}
		var text string
		if value = string(raw); json.Unmarshal(raw, &text) == nil && raw[0] == '"' {
			value = text
		}
	}
	return value, there
}

// sql writes a term as a condition on the view jobs. Its values are bound under names that begin with the given one, which
// no other term of the statement has.
func (t JobTerm) sql(named string) (condition string, values []any, err error) {
	if err := t.Check(); err != nil {
		return "", nil, err
	}
	if len(t.Any) > 0 {
		return t.anySQL(named)
	}
	f, err := t.field()
	if err != nil {
		return "", nil, err
	}
	name := func(i int) string { return fmt.Sprintf("%s_%d", named, i) }
	bind := func(i int, kind string, value any) string {
		values = append(values, clickhouse.Named(name(i), value))
		return "{" + name(i) + ":" + kind + "}"
	}
	var c string
	switch f.kind {
	case termText:
		c = t.textSQL(f.column, bind)
	case termList:
		if t.Op == TermIsNull {
			c = nullSQL(t.Values[0], "empty("+f.column+")")
			break
		}
		c = "arrayExists(x -> " + t.textSQL("x", bind) + ", " + f.column + ")"
	case termMetadata:
		c = t.metadataSQL(bind)
	case termTime:
		c = t.timeSQL(f.column, bind)
	default:
		c = t.numberSQL(f, bind)
	}
	if t.Not {
		c = "NOT ifNull(" + c + ", false)"
	}
	return "(" + c + ")", values, nil
}

// anySQL writes a term of several. Each is a truth and never null, or one column without a value would hide that another fits.
func (t JobTerm) anySQL(named string) (condition string, values []any, err error) {
	var either []string
	for i, one := range t.Any {
		c, bound, err := one.sql(fmt.Sprintf("%sa%d", named, i))
		if err != nil {
			return "", nil, err
		}
		either, values = append(either, "ifNull("+c+", false)"), append(values, bound...)
	}
	condition = "(" + strings.Join(either, " OR ") + ")"
	if t.Not {
		condition = "(NOT " + condition + ")"
	}
	return condition, values, nil
}

// binder binds the i-th value of a term and returns how it stands in the statement.
type binder func(i int, kind string, value any) string

func nullSQL(wanted, isNull string) string {
	if null, _ := truthOf(wanted); null {
		return isNull
	}
	return "NOT " + isNull
}

// textSQL compares an expression that is a text.
func (t JobTerm) textSQL(is string, bind binder) string {
	if t.Op == TermIn {
		return is + " IN " + bind(0, "Array(String)", t.Values)
	}
	if t.Op == TermIsNull {
		return nullSQL(t.Values[0], "empty("+is+")")
	}
	value := t.Values[0]
	switch t.Op {
	case TermIExact, TermIContains, TermIStartsWith, TermIEndsWith:
		is, value = "lowerUTF8("+is+")", strings.ToLower(value)
	case TermIRegex:
		value = "(?i)" + value
	}
	want := bind(0, "String", value)
	switch t.Op {
	case TermContains, TermIContains:
		return "position(" + is + ", " + want + ") > 0"
	case TermStartsWith, TermIStartsWith:
		return "startsWith(" + is + ", " + want + ")"
	case TermEndsWith, TermIEndsWith:
		return "endsWith(" + is + ", " + want + ")"
	case TermRegex, TermIRegex:
		return "match(" + is + ", " + want + ")"
	}
	return is + " = " + want
}

// operators of SQL; what is not here compares for equality.
func (op TermOp) operator() string {
	switch op {
	case TermLT:
		return " < "
	case TermLTE:
		return " <= "
	case TermGT:
		return " > "
	case TermGTE:
		return " >= "
	}
	return " = "
}

func (t JobTerm) numberSQL(f jobField, bind binder) string {
	var any []string
	for i, v := range t.Values {
		any = append(any, f.column+t.Op.operator()+bind(i, "Int64", t.numberOf(f, v)))
	}
	if len(any) == 0 {
		return "false"
	}
	return strings.Join(any, " OR ")
}

func (t JobTerm) timeSQL(column string, bind binder) string {
	if t.Op == TermIsNull {
		return nullSQL(t.Values[0], "isNull("+column+")")
	}
	var any []string
	for i, v := range t.Values {
		at, _ := time.Parse(time.RFC3339Nano, v)
		any = append(any, "ifNull("+column+t.Op.operator()+"fromUnixTimestamp64Micro("+bind(i, "Int64", at.UnixMicro())+", 'UTC'), false)")
	}
	if len(any) == 0 {
		return "false"
	}
	return strings.Join(any, " OR ")
}

func (t JobTerm) metadataSQL(bind binder) string {
	if t.Op == TermHasAny {
		return "hasAny(mapKeys(metadata), " + bind(0, "Array(String)", t.Path) + ")"
	}
	key := bind(100, "String", t.Path[0])
	there, value := "mapContains(metadata, "+key+")", "metadata["+key+"]"
	for i, inner := range t.Path[1:] {
		k := bind(101+i, "String", inner)
		there += " AND JSONHas(" + value + ", " + k + ")"
		value = "if(JSONType(" + value + ", " + k + ") = 'String', JSONExtractString(" + value + ", " + k + "), JSONExtractRaw(" + value + ", " + k + "))"
	}
	there = "(" + there + ")"
	switch t.Op {
	case TermHas:
		return there
	case TermIsNull:
		return nullSQL(t.Values[0], "NOT "+there)
	}
	return there + " AND " + t.textSQL(value, bind)
}
