package results_test

import (
	"slices"
	"strings"
	"testing"

	"strata/schemas/results"
)

// The texts are as kunit, kselftest, prove, pytest and gtest leave them.
func TestRead(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, text string
		want       []string
		problems   []string
	}{
		{"tap 13", "TAP version 13\n1..3\nok 1 - one\nnot ok 2 - two # TODO later\nok 3 # SKIP no net\n",
			[]string{"one pass", "two unknown", "test 3 skip"}, nil},
		{"a block, other lines, CRLF", "noise\r\n1..1\r\nnot ok 1 a\r\n  ---\r\n  ok 7 inside\r\n  ...\r\n",
			[]string{"a fail"}, nil},
		{"no numbers", "ok\nnot ok - b\n", []string{"test pass", "b fail"}, nil},
		{"a plan that is not kept", "1..5\nok 1 a\nok 2 b\n", []string{"a pass", "b pass"}, []string{"the plan says 5 tests, 2 were reported"}},
		{"bail out", "1..2\nok 1 a\nBail out! disk full\n", []string{"a pass", "bail-out fail"}, []string{"the plan says 2 tests, 1 were reported"}},
		{"kunit on a console", "[    0.912345] KTAP version 1\n[    0.9] 1..1\n[    0.9]     KTAP version 1\n[    0.9]     # Subtest: list\n[    0.9]     1..2\n" +
			"[    0.9]     ok 1 init\n[    0.9]     # add: EXPECTATION FAILED at lib/list.c:7\n[    0.9]     not ok 2 add\n[    0.9] # list: pass:1 fail:1 skip:0 total:2\n[    0.9] not ok 1 list\n",
			[]string{"list init pass", "list add fail"}, nil},
		{"kunit with parameters", "KTAP version 1\n1..1\n  KTAP version 1\n  # Subtest: s\n  1..1\n    KTAP version 1\n    # Subtest: p\n    ok 1 x=1\n    ok 2 x=2\n  ok 1 p\nok 1 s\n",
			[]string{"s/p x=1 pass", "s/p x=2 pass"}, nil},
		{"kselftest", "TAP version 13\n1..2\n# selftests: timers: posix\n# TAP version 13\n# 1..2\n# ok 1 a\n# not ok 2 b # XFAIL known\n# # Totals: pass:1 fail:0\nok 1 selftests: timers: posix\n" +
			"# selftests: net: x\nnot ok 2 selftests: net: x # TIMEOUT 45 seconds\n",
			[]string{"selftests: timers: posix a pass", "selftests: timers: posix b pass", "selftests: net: x fail"}, nil},
		{"a test that failed after its subtests passed", "1..1\n  1..1\n  ok 1 a\nnot ok 1 t # exit=139\n", []string{"t a pass", "t fail"}, nil},
		{"cut off among subtests", "1..2\n    # Subtest: late\n    1..3\n    ok 1 a\n",
			[]string{"late a pass"}, []string{`the plan of "late" says 3 tests, 1 were reported`, "the plan says 2 tests, 0 were reported"}},
		{"junit of pytest", `<?xml version="1.0"?><testsuites><testsuite name="pytest"><testcase classname="tests.a" name="x" time="0.5"/>` +
			`<testcase classname="tests.a" name="y"><failure message="assert 1 == 2">trace</failure></testcase><testcase name="z"><skipped/></testcase><testcase name="e"><error/></testcase></testsuite></testsuites>`,
			[]string{"pytest tests.a.x pass", "pytest tests.a.y fail", "pytest z skip", "pytest e fail"}, nil},
		{"junit of suites in suites", `<testsuite name="a"><testsuite name="b"><testcase name="c"/></testsuite></testsuite>`, []string{"a/b c pass"}, nil},
	} {
		cases, problems, err := results.Read("", tt.text)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
		if got := brief(cases); !slices.Equal(got, tt.want) {
			t.Errorf("%s:\n got %q\nwant %q", tt.name, got, tt.want)
		}
		if !slices.Equal(problems, tt.problems) {
			t.Errorf("%s: problems %q; want %q", tt.name, problems, tt.problems)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ format, text, want string }{
		{"", "nothing here\n", "neither a plan"},
		{"junit", "plain", "no testsuite"},
		{"", "<html></html>", "its root is <html>"},
		{"", "<testsuite><testcase name='a'></testsuite>", "line 1, column"},
		{"", "<testsuite name='s'><testcase/></testsuite>", `a testcase of suite "s" has no name`},
		{"", `<!DOCTYPE a [<!ENTITY x "y">]><testsuite><testcase name="&x;"/></testsuite>`, "invalid character entity"},
		{"", strings.Repeat("<testsuite>", 40) + strings.Repeat("</testsuite>", 40), "nested more than 32 deep"},
		{"csv", "", `format "csv": want one of junit, ktap, tap`},
	} {
		if _, _, err := results.Read(tt.format, tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%.40q: %v; want %q", tt.text, err, tt.want)
		}
	}
}

// Whatever a console holds, reading ends, and every case has a name and one of the four words.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"1..2\nok 1 a\n  ok 1 b\n    not ok 2 c\nok 2 d # SKIP\n", "# # ok 1 a\n# 1..1\n", "<testsuites><testsuite name='a'><testcase name='b' time='1,0e9'/></testsuite></testsuites>",
		"\tok 1\n ok 2\n   ---\nBail out!", "[ 1.2] KTAP version 1\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, format := range append(results.Readable(), "") {
			cases, _, err := results.Read(format, text)
			if err != nil && cases != nil {
				t.Errorf("%d cases beside an error", len(cases))
			}
			for _, c := range cases {
				if c.Name == "" || !results.Known(c.Result) {
					t.Errorf("case %+v", c)
				}
			}
		}
	})
}
