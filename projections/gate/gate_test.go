package gate

import (
	"errors"
	"strings"
	"testing"
)

func TestRead(t *testing.T) {
	tests := []struct{ text, want, format, refused string }{
		{"SELECT 1", "SELECT 1", "", ""},
		{"SELECT 1 FORMAT JSON", "SELECT 1", "JSON", ""},
		{"SELECT 'FORMAT JSON'", "SELECT 'FORMAT JSON'", "", ""},
		{"SELECT a AS FORMAT FROM t", "SELECT a AS FORMAT FROM t", "", ""},
		{"SELECT 'it\\'s INTO OUTFILE' FORMAT CSV", "SELECT 'it\\'s INTO OUTFILE'", "CSV", ""},
		{"SELECT `a b`, \"INTO\" FROM t", "SELECT `a b`, \"INTO\" FROM t", "", ""},
		{"SELECT {x:String}", "SELECT {x:String}", "", ""},
		{"EXPLAIN AST SELECT a = 1", "EXPLAIN AST SELECT a = 1", "", ""},
		{"SHOW FULL TABLES FROM x", "SHOW FULL TABLES FROM x", "", ""},
		{"SELECT 1 INTO OUTFILE 'x'", "", "", "INTO OUTFILE"},
		{"SELECT {x:Identifier}", "", "", "parameter"},
		{"SHOW PROCESSLIST", "", "", "SHOW"},
		{"SHOW FULL PROCESSLIST", "", "", "SHOW"},
		{"SHOW", "", "", "SHOW"},
		{"EXPLAIN SELECT 1", "", "", "EXPLAIN"},
		{"EXPLAIN ESTIMATE SELECT 1", "", "", "EXPLAIN"},
		{"EXPLAIN SYNTAX run_query_tree_passes = 1 SELECT 1", "", "", "EXPLAIN"},
		{"SELECT 1 -- x", "", "", "cannot be read"},
		{"SELECT /* x */ 1", "", "", "cannot be read"},
		{"SELECT 'a", "", "", "not closed"},
		{"SELECT 'a\\", "", "", "not closed"},
		{"SELECT $$a$$", "", "", "cannot be read"},
		{"SELECT é", "", "", "cannot be read"},
		{" ", "", "", "empty"},
	}
	for _, tt := range tests {
		s, err := Read(tt.text)
		switch {
		case tt.refused == "" && (err != nil || s.Text != tt.want || s.Format != tt.format):
			t.Errorf("Read(%q) = %+v, %v; want %q in %q", tt.text, s, err, tt.want, tt.format)
		case tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused)):
			t.Errorf("Read(%q) = %v; want an error with %q", tt.text, err, tt.refused)
		}
	}
}

// known is a small engine: a function of each kind.
func known() Functions {
	return Known([]Function{
		{Name: "plus", Category: "Arithmetic"}, {Name: "sum", Category: "Aggregate Functions", Folds: true, Aggregate: true},
		{Name: "uniqExact", Category: "Aggregate Functions", Aggregate: true}, {Name: "file", Category: "Other"}, {Name: "throwIf", Category: "Other"},
		{Name: "aiGenerate", Category: "AI"}, {Name: "AIGenerate", Alias: "aiGenerate", Folds: true}, {Name: "length", Category: "String", Folds: true},
		{Name: "OCTET_LENGTH", Alias: "length", Folds: true}, {Name: "_CAST", Category: "Type Conversion"}, {Name: "dictGet", Category: "Dictionary"},
	}, []string{"If", "OrNull"})
}

func TestKnown(t *testing.T) {
	f := known()
	for name, want := range map[string]bool{
		"plus": true, "PLUS": false, "sum": true, "SUM": true, "sumIf": true, "SUMIf": true, "sumOrNullIf": true, "sumIfx": false, "uniqExactIf": true,
		"UNIQEXACT": false, "file": false, "fileIf": false, "throwIf": true, "throw": false, "aiGenerate": false, "AIGenerate": false, "octet_length": true,
		"plusIf": false, "_CAST": false, "dictGet": false, "": false, "If": false, "OrNull": false,
	} {
		if got := f.has(name); got != want {
			t.Errorf("may call %q: %t; want %t", name, got, want)
		}
	}
}

// tree is a statement with two lines more, as children of its SelectQuery.
func tree(lines ...string) string {
	return "SelectWithUnionQuery (children 1)\n ExpressionList (children 1)\n  SelectQuery (children 2)\n" + strings.Join(lines, "\n") + "\n"
}

func TestCheck(t *testing.T) {
	tests := []struct{ tree, refused string }{
		{tree("   ExpressionList (children 1)", "    Function sumIf (alias x) (children 1)"), ""},
		{tree("   TableExpression (children 1)", "    TableIdentifier results.jobs (alias system.x)"), ""},
		{tree("   TableExpression (children 1)", "    TableIdentifier system.tables"), ""},
		{tree("   TableExpression (children 1)", "    Function numbers (children 1)"), ""},
		{tree("   Function plus (children 1)", "    Identifier system"), ""},
		{tree("   TableExpression (children 1)", "    Function plus (children 1)"), "table function plus"},
		{tree("   TableExpression (children 1)", "    Function file (alias numbers) (children 1)"), "table function file"},
		{tree("   TableExpression (children 1)", "    TableIdentifier system.parts (alias one)"), "system.parts"},
		{tree("   TableExpression (children 1)", "    TableIdentifier SYSTEM.`parts`"), "SYSTEM.`parts`"},
		{tree("   Function in (children 1)", "    Identifier system.processes"), "system.processes"},
		{tree("   TableExpression (children 1)", "    TableIdentifier INFORMATION_SCHEMA.PARTITIONS"), "PARTITIONS"},
		{tree("   ExpressionList (children 1)", "    Function file (children 1)"), "function file"},
		{tree("   ExpressionList (children 1)", "    Function numbers (children 1)"), "function numbers"},
		{tree("   ExpressionList (children 1)", "    Function file (alias x", "    TableExpression)"), "function file"},
		{tree(" Set"), "send them with the request"},
		{tree("     ColumnsApplyTransformer"), "APPLY"},
		{"InsertQuery x\n", "InsertQuery"},
		{"", "none of them"},
	}
	for _, tt := range tests {
		err := Check(tt.tree, known())
		if tt.refused == "" && err != nil || tt.refused != "" && (err == nil || !strings.Contains(err.Error(), tt.refused)) {
			t.Errorf("Check:\n%s\ngives %v; want %q", tt.tree, err, tt.refused)
		}
	}
}

func TestFormats(t *testing.T) {
	for format, want := range map[string]bool{"Native": true, "native": true, "JSON": true, "JSONEachRow": true, "JSONCompactStringsEachRowWithNamesAndTypes": true,
		"CSVWithNames": true, "TSV": true, "TabSeparatedRawWithNames": true, "Parquet": true, "RowBinaryWithNamesAndTypes": true, "PrettyCompactMonoBlock": true,
		"JSONEachRowWithProgress": false, "JSONCompactEachRowWithProgress": false, "Template": false, "Protobuf": false, "CapnProto": false, "MySQLWire": false,
		"": false, "CSV\n": false, "xCSV": false} {
		if got := WritesFormat(format); got != want {
			t.Errorf("format %q: %t; want %t", format, got, want)
		}
	}
}

func TestTakeSetting(t *testing.T) {
	for name, want := range map[string]string{"output_format_json_quote_64bit_integers": "take", "max_execution_time": "take", "readonly": "leave", "max_threads": "leave",
		"output_format_schema": "refuse", "output_format_write_statistics": "refuse", "query_cache_tag": "leave", "format_schema": "refuse", "additional_table_filters": "refuse",
		"join_use_nulls": "take", "": "refuse", "limit": "take", "role": "leave"} {
		take, err := TakeSetting(name)
		got := map[bool]string{true: "take", false: "leave"}[take]
		if err != nil {
			got = "refuse"
		}
		if got != want {
			t.Errorf("setting %q: %s; want %s", name, got, want)
		}
	}
}

// Whatever text comes, nothing that the gate refuses hides in what it lets through: cut at quotes by another
// rule, the words are the same.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{"SELECT 1 FORMAT JSON", "SELECT 'a\\'b' INTO OUTFILE 'x'", "EXPLAIN AST SELECT `x`", "SELECT {a:Identifier}", "SHOW TABLES"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Read(text)
		if err != nil {
			if refused := (*Refused)(nil); !errors.As(err, &refused) {
				t.Errorf("Read(%q): %v is not in ClickHouse's words", text, err)
			}
			return
		}
		if !strings.HasPrefix(strings.TrimSpace(text), s.Text) {
			t.Errorf("Read(%q) = %q, which is other text", text, s.Text)
		}
		var bare strings.Builder // what stands outside of quotes
		for i, quote := 0, byte(0); i < len(s.Text); i++ {
			switch c := s.Text[i]; {
			case quote != 0 && c == '\\':
				i++
			case quote != 0 && c == quote:
				quote = 0
			case quote == 0 && (c == '\'' || c == '"' || c == '`'):
				quote = c
				bare.WriteByte(' ')
			case quote == 0:
				bare.WriteByte(c)
			}
		}
		if words := strings.Join(strings.Fields(bare.String()), " "); strings.Contains(" "+words+" ", " INTO OUTFILE ") || strings.Contains(words, "--") || strings.Contains(words, ":Identifier}") {
			t.Errorf("Read(%q) lets %q through", text, words)
		}
	})
}

// FuzzCheck: a tree passes only if each of its lines does.
func FuzzCheck(f *testing.F) {
	f.Add("SelectQuery (children 1)\n Function plus (alias a) (children 1)\n  Identifier a.b")
	f.Add("TableExpression (children 1)\n Function file (alias x\n  TableExpression)")
	f.Fuzz(func(t *testing.T, text string) {
		if Check(text, known()) != nil {
			return
		}
		for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
			fields := strings.Fields(line)
			if len(fields) == 0 || !nodes[strings.SplitN(strings.TrimLeft(line, " "), " ", 2)[0]] {
				t.Errorf("line %q of %q passes", line, text)
			}
			if len(fields) > 1 && fields[0] == "Function" && (fields[1] == "file" || fields[1] == "remote") {
				t.Errorf("%q calls %s", text, fields[1])
			}
		}
	})
}
