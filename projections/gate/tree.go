package gate

import (
	"regexp"
	"strings"
)

// nodes are the kinds of nodes that a statement may have, by the first word of their lines. Left out on
// purpose: Set (settings), ColumnsApplyTransformer (it does not show the function that it applies).
var nodes = words(`SelectWithUnionQuery SelectQuery SelectIntersectExceptQuery ExpressionList Identifier Literal Function Asterisk
	QualifiedAsterisk Subquery TablesInSelectQuery TablesInSelectQueryElement TableExpression TableIdentifier TableJoin ArrayJoin
	WithElement OrderByElement InterpolateElement WindowDefinition WindowListElement SampleRatio QueryParameter
	ColumnsRegexpMatcher ColumnsListMatcher QualifiedColumnsRegexpMatcher QualifiedColumnsListMatcher ColumnsTransformerList
	ColumnsExceptTransformer ColumnsReplaceTransformer ColumnsReplaceTransformer::Replacement
	Explain ShowTables ShowColumns ShowFunctions ShowCreateTableQuery ShowCreateViewQuery ShowCreateDatabaseQuery DescribeQuery
	ExistsTableQuery ExistsViewQuery ExistsDatabaseQuery DataType NameTypePair`)

// system are the tables of the engine that clients ask for, and that tell nothing of a lab: what they
// show of tables is what the visitor may read.
var system = words(`one numbers numbers_mt zeros zeros_mt databases tables columns functions settings formats data_type_families
	table_functions aggregate_function_combinators table_engines time_zones keywords collations build_options licenses contributors`)

// schema are those of information_schema.
var schema = words(`schemata tables views columns key_column_usage referential_constraints statistics`)

// tableFunctions are those that read nothing.
var tableFunctions = words("numbers numbers_mt zeros zeros_mt generate_series generateSeries values null view primes")

// operators are functions of the syntax, which the engine's list of functions lacks, or has for itself: a
// parameter becomes a _CAST.
var operators = words("lambda untuple exists grouping in notIn globalIn globalNotIn nullIn notNullIn globalNullIn globalNotNullIn _CAST")

func words(list string) map[string]bool {
	m := map[string]bool{}
	for _, w := range strings.Fields(list) {
		m[w] = true
	}
	return m
}

// Check goes through the tree that EXPLAIN AST gave of a statement. Identifiers stand in it as they are: one
// with a line break in its name can add lines, which are looked at like all others, but takes none away.
func Check(tree string, known Functions) error {
	var above []string // the first word of the line above at each depth
	for _, line := range strings.Split(strings.TrimRight(tree, "\n"), "\n") {
		depth := len(line) - len(strings.TrimLeft(line, " "))
		kind, rest, _ := strings.Cut(line[depth:], " ")
		if !nodes[kind] {
			return denied("%s", refusal(kind))
		}
		above = append(above[:min(depth, len(above))], kind)
		rest = trailer.ReplaceAllString(rest, "")
		var err error
		switch kind {
		case "TableIdentifier", "Identifier":
			err = table(rest)
		case "Function":
			if len(above) > 1 && above[len(above)-2] == "TableExpression" {
				if !tableFunctions[rest] && !tableFunctions[strings.ToLower(rest)] { // some go by any capitals: VALUES
					err = denied("the table function %s is not answered here", rest)
				}
			} else if !operators[rest] && !known.has(rest) {
				err = denied("the function %s is not answered here", rest)
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// trailer is what may stand behind a name.
var trailer = regexp.MustCompile(`( \(alias .*\))?( \(children \d+\))?$`)

// refusal says of a kind of node why it is refused.
func refusal(kind string) string {
	switch kind {
	case "Set":
		return "settings cannot be changed by a statement here: send them with the request"
	case "ColumnsApplyTransformer":
		return "APPLY is not answered here: write the function around each column"
	}
	return "SELECT, SHOW, DESCRIBE, EXISTS and EXPLAIN of those are answered here, and " + kind + " is none of them"
}

// table looks at a name that may be a table's: of IN, a table stands where an identifier does. What is
// not of the system is a column, or is refused by the engine where it is a table of others.
func table(name string) error {
	database, rest, compound := strings.Cut(name, ".")
	rest, _, _ = strings.Cut(rest, ".") // of a column with its table in front
	short := strings.ToLower(strings.Trim(rest, "`"))
	switch strings.ToLower(strings.Trim(database, "`")) {
	case "system":
		if compound && !system[short] {
			return denied("the table %s is not answered here", name)
		}
	case "information_schema":
		if compound && !schema[short] {
			return denied("the table %s is not answered here", name)
		}
	}
	return nil
}
