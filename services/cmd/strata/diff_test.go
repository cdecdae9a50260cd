package main

import (
	"strings"
	"testing"
)

func TestUnified(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ a, b, want string }{
		{"", "", ""},
		{"a\nb\n", "a\nb", ""},
		{"", "a\nb\n", "@@ -0,0 +1,2 @@\n+a\n+b\n"},
		{"a\n", "", "@@ -1,1 +0,0 @@\n-a\n"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n", "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"},
		{"a\nb\nc\n", "b\nc\nd\n", "@@ -1,3 +1,3 @@\n-a\n b\n c\n+d\n"},
		{"x\n" + strings.Repeat("-\n", 9) + "y\n", "X\n" + strings.Repeat("-\n", 9) + "Y\n",
			"@@ -1,4 +1,4 @@\n-x\n+X\n -\n -\n -\n@@ -8,4 +8,4 @@\n -\n -\n -\n-y\n+Y\n"},
	} {
		want := tt.want
		if want != "" {
			want = "--- old\n+++ new\n" + want
		}
		if got := unified("old", "new", tt.a, tt.b); got != want {
			t.Errorf("%q to %q:\n%s\nwant\n%s", tt.a, tt.b, got, want)
		}
	}
	// What is too large for a table is replaced whole, and still right.
	large := strings.Repeat("a\n", 5000)
	if got := unified("old", "new", large, strings.Repeat("b\n", 5000)); strings.Count(got, "\n-a") != 5000 || strings.Count(got, "\n+b") != 5000 {
		t.Error("a large difference lacks lines")
	}
}
