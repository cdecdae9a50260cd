package query

import (
	"math"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
	"time"

	"strata/events"
)

// Value is a parameter of a statement.
type Value struct {
	Name string
	Type string // ClickHouse's
	Bind any    // string, uint64, int64 or float64
}

// values collects the parameters of a statement.
type values []Value

// bind returns the placeholder of a new parameter.
func (v *values) bind(typ string, value any) string {
	n := "p" + strconv.Itoa(len(*v)+1)
	*v = append(*v, Value{n, typ, value})
	return "{" + n + ":" + typ + "}"
}

// test writes a condition on the field's column. It is never NULL: what is not there gives 0. The
// warning says what is hardly meant.
func (f Field) test(c events.QueryCondition, v *values) (sql, warning string, err *Error) {
	if f.Table == Metadata {
		return metadataTest(c, v)
	}
	switch f.kind {
	case choice:
		return f.choiceTest(c)
	case rank:
		return f.rankTest(c, v)
	case boolean:
		// The word False is false, everything else true: so LAVA has it, and addresses rely on it.
		wanted := (c.Value != "False") == (c.Operator == exact)
		if c.Value != "True" && c.Value != "False" {
			warning = f.Name + " is compared with True or False; " + strconv.Quote(c.Value) + " counts as True"
		}
		return f.column + " = " + strconv.FormatBool(wanted), warning, nil
	// What is below compares a column that may have no value; above every job and case has one.
	case integer:
		sql, err = integerTest(f, c, v)
	case decimal:
		sql, err = decimalTest(f, c, v)
	case moment:
		sql, err = momentTest(f, c, v)
	case name:
		// The tables write "there is none" as an empty text, and LAVA's database as NULL, which equals
		// nothing and differs from nothing.
		if sql, err = textTest(f.column, c.Operator, c.Value, v); err == nil {
			sql = "(" + f.column + " != '' AND " + sql + ")"
		}
	default:
		sql, err = textTest(f.column, c.Operator, c.Value, v)
	}
	if f.null {
		sql = "ifNull(" + sql + ", 0)"
	}
	return sql, "", err
}

// choiceTest compares the words that people see. The words in the SQL are those of the table of
// fields, never the value.
func (f Field) choiceTest(c events.QueryCondition) (sql, warning string, err *Error) {
	stored := f.matching(c)
	// LAVA turns a word that it does not know into a number that nothing has, and so do addresses that
	// people have kept; refusing them would break these, staying silent would hide the mistake.
	if len(stored) == 0 && c.Operator != icontains {
		warning = f.Name + " is never " + strconv.Quote(c.Value) + "; its words are " + strings.Join(f.Words(), ", ")
	}
	return among(f.column, quoted(stored), c.Operator == ne), warning, nil
}

// matching returns the stored values whose words a condition names.
func (f Field) matching(c events.QueryCondition) (stored []string) {
	for _, w := range f.words {
		var matches bool
		if c.Operator == icontains {
			matches = strings.Contains(strings.ToLower(w.written), strings.ToLower(c.Value))
		} else {
			matches = w.written == c.Value || w.also != "" && w.also == c.Value
		}
		if matches {
			stored = append(stored, w.stored)
		}
	}
	return stored
}

// rankTest is about words and about numbers between them: LAVA has three priorities, a job any.
func (f Field) rankTest(c events.QueryCondition, v *values) (sql, warning string, err *Error) {
	stored := f.matching(c)
	compared := slices.Contains([]string{gt, lt, gte, lte}, c.Operator)
	// icontains looks at the words alone: that 5 is in 50 and 75 says nothing of jobs.
	if number, bad := strconv.ParseInt(strings.TrimSpace(c.Value), 10, 32); bad == nil && c.Operator != icontains {
		return f.column + " " + sign(c.Operator) + " " + v.bind("Int64", number), "", nil
	}
	switch {
	case compared && len(stored) == 1:
		return f.column + " " + sign(c.Operator) + " " + stored[0], "", nil
	case compared:
		return "", "", wrong(BadValue, "%s is compared with a number from 0 to 100, or with %s; the value is %q",
			f.Name, strings.Join(f.Words(), ", "), c.Value)
	case len(stored) == 0 && c.Operator != icontains:
		warning = f.Name + " is never " + strconv.Quote(c.Value) + "; its words are " + strings.Join(f.Words(), ", ") + ", and numbers"
	}
	return among(f.column, stored, c.Operator == ne), warning, nil
}

// among says that a column has one of some values, or none of them.
func among(column string, list []string, not bool) string {
	switch {
	case len(list) == 0 && not:
		return "1"
	case len(list) == 0:
		return "0"
	case not:
		return column + " NOT IN (" + strings.Join(list, ", ") + ")"
	}
	return column + " IN (" + strings.Join(list, ", ") + ")"
}

// quoted writes stored words, which are made of letters, as SQL.
func quoted(words []string) (list []string) {
	for _, w := range words {
		list = append(list, "'"+w+"'")
	}
	return list
}

// sign is an operator of comparison in SQL.
func sign(operator string) string {
	return map[string]string{exact: "=", iexact: "=", ne: "!=", gt: ">", lt: "<", gte: ">=", lte: "<="}[operator]
}

func integerTest(f Field, c events.QueryCondition, v *values) (string, *Error) {
	if c.Operator == icontains {
		return textTest("toString("+f.column+")", c.Operator, c.Value, v)
	}
	n, err := strconv.ParseUint(strings.TrimSpace(c.Value), 10, 64)
	if err != nil {
		return "", wrong(BadValue, "%s is compared with a whole number from 0; the value is %q", f.Name, c.Value)
	}
	return f.column + " " + sign(c.Operator) + " " + v.bind("UInt64", n), nil
}

var decimalText = regexp.MustCompile(`^[-+]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$`)

// parseDecimal reads a number as databases do; Go's hexadecimal, Inf and NaN are none.
func parseDecimal(text string) (float64, bool) {
	text = strings.TrimSpace(text)
	if !decimalText.MatchString(text) {
		return 0, false
	}
	n, err := strconv.ParseFloat(text, 64)
	return n, err == nil && !math.IsInf(n, 0)
}

func decimalTest(f Field, c events.QueryCondition, v *values) (string, *Error) {
	// As text the shortest form counts, 0.25, where LAVA's database has ten decimals.
	if c.Operator == icontains {
		return textTest("toString("+f.column+")", c.Operator, c.Value, v)
	}
	n, ok := parseDecimal(c.Value)
	if !ok {
		return "", wrong(BadValue, "%s is compared with a number such as 12.5; the value is %q", f.Name, c.Value)
	}
	return f.column + " " + sign(c.Operator) + " " + v.bind("Float64", n), nil
}

// layouts are the forms of a time, and how long the stretch is that each names.
func layouts() []struct {
	layout string
	length time.Duration
} {
	return []struct {
		layout string
		length time.Duration
	}{
		{"2006-01-02 15:04:05", time.Second}, // LAVA's
		{"2006-01-02T15:04:05", time.Second},
		{time.RFC3339Nano, time.Second},
		{"2006-01-02 15:04", time.Minute},
		{"2006-01-02T15:04", time.Minute},
		{"2006-01-02", 24 * time.Hour},
	}
}

// parseMoment reads a time, in UTC where it does not say otherwise.
func parseMoment(text string) (at time.Time, length time.Duration, ok bool) {
	for _, l := range layouts() {
		if at, err := time.Parse(l.layout, strings.TrimSpace(text)); err == nil && at.Year() >= 1 && at.Year() <= 9999 {
			return at.UTC(), l.length, true
		}
	}
	return time.Time{}, 0, false
}

func momentTest(f Field, c events.QueryCondition, v *values) (string, *Error) {
	switch c.Operator {
	case contains, icontains, startswith:
		return textTest("toString("+f.column+")", c.Operator, c.Value, v)
	}
	at, length, ok := parseMoment(c.Value)
	if !ok {
		return "", wrong(BadValue, "%s is compared with a time such as 2026-11-22 18:30:00 (UTC), or a day; the value is %q", f.Name, c.Value)
	}
	// Numbers are compared, not times: a year that the engine has no time for is a number all the same.
	micros := "toUnixTimestamp64Micro(" + f.column + ")"
	from := v.bind("Int64", at.UnixMicro())
	switch c.Operator {
	case exact, ne:
		// A time of one second names all of it: tables keep microseconds, which nobody writes.
		within := "(" + micros + " >= " + from + " AND " + micros + " < " + v.bind("Int64", at.Add(length).UnixMicro()) + ")"
		if c.Operator == ne {
			return "NOT " + within, nil
		}
		return within, nil
	}
	return micros + " " + sign(c.Operator) + " " + from, nil
}

// textTest compares texts. Case is that of Unicode's simple mapping.
func textTest(x, operator, value string, v *values) (string, *Error) {
	if operator == regex || operator == iregex {
		// Both Go and the engine speak RE2, whose patterns take time in proportion to the text: none of
		// them can hold the engine up. A fault is found here, before anything runs.
		if _, err := syntax.Parse(value, syntax.Perl); err != nil {
			return "", wrong(BadValue, "%q is not a regular expression: %v", value, err)
		}
		if operator == iregex {
			value = "(?i)" + value
		}
		return "match(" + x + ", " + v.bind("String", value) + ")", nil
	}
	// Neither % nor _ means anything: no operator becomes LIKE.
	p := v.bind("String", value)
	switch operator {
	case exact:
		return x + " = " + p, nil
	case ne:
		return x + " != " + p, nil
	case iexact:
		return "lowerUTF8(" + x + ") = lowerUTF8(" + p + ")", nil
	case contains:
		return "position(" + x + ", " + p + ") > 0", nil
	case icontains:
		return "position(lowerUTF8(" + x + "), lowerUTF8(" + p + ")) > 0", nil
	case startswith:
		return "startsWith(" + x + ", " + p + ")", nil
	case istartswith:
		return "startsWith(lowerUTF8(" + x + "), lowerUTF8(" + p + "))", nil
	case endswith:
		return "endsWith(" + x + ", " + p + ")", nil
	case iendswith:
		return "endsWith(lowerUTF8(" + x + "), lowerUTF8(" + p + "))", nil
	}
	return "", wrong(UnknownOperator, "texts take no operator %q", operator)
}

// metadataTest is about the value of one key of a job's metadata. Values are texts; numbers are
// compared as such where both sides are numbers.
func metadataTest(c events.QueryCondition, v *values) (sql, warning string, err *Error) {
	// The key is a value like any other: whoever writes a definition chooses it.
	key := v.bind("String", c.Field)
	value := "metadata[" + key + "]"
	switch c.Operator {
	case gt, lt, gte, lte:
		if n, ok := parseDecimal(c.Value); ok {
			sql = "ifNull(toFloat64OrNull(" + value + ") " + sign(c.Operator) + " " + v.bind("Float64", n) + ", 0)"
		} else {
			sql = value + " " + sign(c.Operator) + " " + v.bind("String", c.Value)
		}
	default:
		if sql, err = textTest(value, c.Operator, c.Value, v); err != nil {
			return "", "", err
		}
	}
	return "(mapContains(metadata, " + key + ") AND " + sql + ")", "", nil
}
