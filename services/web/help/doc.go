// Package help shows the project's own documentation: the pages of docs/, as HTML, with a search over them.
//
// # Words
//
// A [Library] is all pages; it is read once, at start, and never changes. A [Page] has a path, which is that of
// its file without ".md" ("people", "methods/boot/u-boot"), and sections, one a heading; a section's anchor is the
// identifier that GitHub gives the heading, so that links work in both places. A [Shelf] is a group of pages as
// the contents list them.
//
// # What it promises
//
// Every page of docs/ stands on a shelf, and every link between pages leads somewhere: [Load] refuses a library with
// a dead one, and a test loads the real pages. The HTML holds no script, no style and no address of
// another host's file, so it fits the strictest policy. Raw HTML in a page is left out.
//
// A search answers sections, best first: a word in a title counts more than one in the text, and all words must be there.
package help
