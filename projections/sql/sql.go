// Package sql holds the files that make tables and views, NNNN_topic.sql, and what statements take from
// them.
//
// The view jobs has fifty columns. A statement that asks the view for two of them makes the engine look
// up the functions of all, which takes longer than reading two columns of ten thousand jobs. [Jobs] is
// the same view cut down to the columns that are asked for, with the words of the view's own file.
package sql

import (
	"embed"
	"regexp"
	"strings"
	"sync"
)

// Files are the files, by their names without a directory.
//
//go:embed *.sql
var Files embed.FS

// column is a column of the view jobs.
type column struct{ name, expression string }

var jobColumns = sync.OnceValue(func() (list []column) {
	text, err := Files.ReadFile("0021_jobs.sql")
	if err != nil {
		panic(err) // it is in the binary
	}
	_, body, _ := strings.Cut(string(text), ") AS\nSELECT\n")
	body, _, _ = strings.Cut(body, "\nFROM ")
	for _, m := range regexp.MustCompile(`(?s)\s*(.*?) AS (\w+)(?:,\n|$)`).FindAllStringSubmatch(body, -1) {
		list = append(list, column{m[2], strings.Join(strings.Fields(m[1]), " ")})
	}
	return list
})

var word = regexp.MustCompile(`\w+`)

// Jobs returns a subquery for FROM, with those columns of the view jobs that are words of the texts. A
// word too many is read for nothing, none is missing.
func Jobs(texts ...string) string {
	wanted := map[string]bool{"job": true}
	for _, t := range texts {
		for _, w := range word.FindAllString(t, -1) {
			wanted[w] = true
		}
	}
	var parts []string
	for _, c := range jobColumns() {
		if wanted[c.name] {
			parts = append(parts, c.expression+" AS "+c.name)
		}
	}
	return "(SELECT " + strings.Join(parts, ", ") + " FROM job_state AS s FINAL)"
}
