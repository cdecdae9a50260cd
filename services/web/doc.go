// Package web is the lab as people see it in a browser: pages at LAVA's own addresses, rendered here, readable
// without JavaScript and made live by small modules.
//
// # Words
//
// A [route] is an address and the page that stands there; routes.go lists them all, and a test in a real browser
// walks that list. A page is a function that asks the lab and returns a [page]: a template, what it shows, and
// which facts make it stale. A [Visitor] is who looks; everything is asked in his name, so that a page can show
// nothing that he may not see.
//
// # How a page becomes live
//
// The server renders every page whole. static/live.js listens to the lab's facts, asks for the same page again
// when one concerns it, and puts the parts in place that differ: elements with an id and the attribute
// data-live. So there is one way to draw a row, and what moves on a page is right without JavaScript, too.
//
// # What it promises
//
// No page loads anything from elsewhere, runs inline scripts or can be framed: the content security policy says
// so to the browser. Forms are plain HTML that answers 303 to the next page; one from another site is refused.
// Static files have names that change with their content, so that browsers keep them.
package web
