package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// It runs while the packages are built, with no lab and no terminal.
func (a *app) manPagesCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "man-pages DIRECTORY",
		Short: "Write the manual as pages for man",
		Long: `Write a page for man(1) of each command into a directory: strata.1, strata-submit.1 and so on. They say
what --help says. The Debian packages carry them.`,
		Example: "  strata man-pages ./man && man -l man/strata-submit.1",
		Hidden:  true,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return fmt.Errorf("make the directory of the manual: %w", err)
			}
			for _, c := range commandsIn(cmd.Root()) {
				if err := os.WriteFile(filepath.Join(args[0], pageName(c)+".1"), []byte(manPage(c)), 0o644); err != nil {
					return fmt.Errorf("write the manual: %w", err)
				}
			}
			return nil
		},
	}
}

// commandsIn returns a command and all below it that --help lists, each before its own sub-commands.
func commandsIn(c *cobra.Command) []*cobra.Command {
	if !c.HasParent() {
		c.InitDefaultHelpCmd()
		c.InitDefaultCompletionCmd("man-pages") // cobra adds it to roots with a command, and only while they run
	}
	c.InitDefaultHelpFlag()
	all := []*cobra.Command{c}
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() && sub.Name() != "help" {
			all = append(all, commandsIn(sub)...)
		}
	}
	return all
}

// pageName is what man is asked for: strata-jobs-bundle.
func pageName(c *cobra.Command) string { return strings.ReplaceAll(c.CommandPath(), " ", "-") }

// manPage returns the page of a command in the language of man(7). A page has no date: the same
// source makes the same package.
// man-db's lexgrog reads the section NAME for apropos: one line, the name, an escaped dash, what it
// does.
func manPage(c *cobra.Command) string {
	var b strings.Builder
	// Not hyphenated and not justified: what is shown can be copied, and searched for.
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"strata %s\" \"Strata\"\n.nh\n.ad l\n", strings.ToUpper(roff(pageName(c))), roff(version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(pageName(c)), roff(c.Short))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n\\fB%s\\fP", roff(c.CommandPath()))
	if rest := strings.TrimPrefix(c.UseLine(), c.CommandPath()); rest != "" {
		b.WriteString(roff(rest))
	}
	b.WriteString("\n")
	if c.HasAvailableSubCommands() {
		fmt.Fprintf(&b, ".br\n\\fB%s\\fP [command]\n", roff(c.CommandPath()))
	}
	b.WriteString(".SH DESCRIPTION\n")
	text := c.Long
	if text == "" {
		text = c.Short
	}
	writeProse(&b, text)
	if c.Example != "" {
		b.WriteString(".SH EXAMPLES\n")
		writeLiteral(&b, strings.Split(strings.TrimRight(c.Example, "\n"), "\n"))
	}
	writeCommands(&b, c)
	writeFlags(&b, "OPTIONS", c.NonInheritedFlags())
	writeFlags(&b, "OPTIONS OF EVERY COMMAND", c.InheritedFlags())
	if c.HasParent() {
		fmt.Fprintf(&b, ".SH SEE ALSO\n.BR %s (1)\n", roff(pageName(c.Parent())))
	}
	return b.String()
}

// writeProse writes paragraphs. Lines that are indented, such as commands and tables, stay as they are.
// A Long text is written for a terminal: its line breaks mean nothing here, and man(1) fills the lines
// anew.
func writeProse(b *strings.Builder, text string) {
	var literal []string
	flush := func() {
		writeLiteral(b, literal)
		literal = nil
	}
	fresh := false // a paragraph begins
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		switch {
		case strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t"):
			literal, fresh = append(literal, line), false
		case strings.TrimSpace(line) == "":
			flush()
			fresh = true
		default:
			flush()
			if fresh {
				b.WriteString(".PP\n")
			}
			fresh = false
			b.WriteString(roff(line) + "\n")
		}
	}
	flush()
}

// writeLiteral writes lines that keep their breaks and blanks.
func writeLiteral(b *strings.Builder, lines []string) {
	if len(lines) == 0 {
		return
	}
	b.WriteString(".PP\n.nf\n.RS\n")
	for _, line := range lines {
		b.WriteString(roff(strings.TrimPrefix(line, "  ")) + "\n")
	}
	b.WriteString(".RE\n.fi\n")
}

// writeCommands lists sub-commands as --help does: by group, those without one last.
func writeCommands(b *strings.Builder, c *cobra.Command) {
	if !c.HasAvailableSubCommands() {
		return
	}
	b.WriteString(".SH COMMANDS\n")
	list := func(id string) {
		for _, sub := range c.Commands() {
			if sub.GroupID == id && (sub.IsAvailableCommand() || sub.Name() == "help") {
				fmt.Fprintf(b, ".TP\n\\fB%s\\fP\n%s\n", roff(sub.Name()), roff(sub.Short))
			}
		}
	}
	for _, group := range c.Groups() {
		fmt.Fprintf(b, ".SS %s\n", roff(group.Title))
		list(group.ID)
	}
	if len(c.Groups()) > 0 {
		b.WriteString(".SS Additional Commands:\n") // cobra's words
	}
	list("")
}

// writeFlags writes a section of flags, by name, with the defaults that --help shows.
func writeFlags(b *strings.Builder, title string, flags *pflag.FlagSet) {
	if !flags.HasAvailableFlags() {
		return
	}
	fmt.Fprintf(b, ".SH %s\n", title)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Hidden {
			return
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "--" + f.Name
		if f.Shorthand != "" {
			name = "-" + f.Shorthand + ", " + name
		}
		fmt.Fprintf(b, ".TP\n\\fB%s\\fP", roff(name))
		if value != "" {
			fmt.Fprintf(b, " \\fI%s\\fP", roff(value))
		}
		fmt.Fprintf(b, "\n%s\n", roff(usage+shownDefault(f)))
	})
}

// shownDefault returns what --help puts behind a flag's meaning: nothing where the default is to have none.
func shownDefault(f *pflag.Flag) string {
	switch f.DefValue {
	case "", "false", "0", "[]", "0s", "<nil>":
		return ""
	case hostname():
		return " (default: the name of the machine)" // not of the one that the page was made on
	}
	if f.Value.Type() == "string" {
		return fmt.Sprintf(" (default %q)", f.DefValue)
	}
	return fmt.Sprintf(" (default %s)", f.DefValue)
}

// roff escapes a text that may begin a line. groff turns a plain ', -, ^, ` or ~ into a typographic one, which no
// shell understands.
// A text that begins with a dot would be taken for a request.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	if strings.HasPrefix(text, ".") {
		text = `\&` + text
	}
	return text
}
