// Package docs holds the pages of this folder, so that the binary can show them: a lab's own help is that
// of its own version.
//
// It is a module of one file because a Go program can embed only what lies below its module. It knows nothing and
// decides nothing; services/web/help renders the pages.
package docs

import "embed"

// Pages are the Markdown files of this folder and of methods/, by their path here, such as
// "methods/boot/u-boot.md".
//
//go:embed *.md methods
var Pages embed.FS
