package reference

import (
	"fmt"
	"slices"
	"strings"

	"strata/schemas/job/strict"
	"strata/schemas/shape"
)

// generated is what each page says of itself.
const generated = "<!-- Generated from schemas/job: change the tables or reference/pages there, then run `make generate`. -->\n"

// Files returns the content of docs/methods by file name: a page a method, common.md about what many
// methods share, and README.md, the index. Every call gives the same texts.
func Files() (map[string]string, error) {
	pages, err := Pages()
	if err != nil {
		return nil, err
	}
	out := map[string]string{"README.md": index(pages), "common.md": common()}
	for _, p := range pages {
		out[string(p.Kind)+"/"+p.Title()+".md"] = p.text()
	}
	return out, nil
}

func index(pages []Page) string {
	var b strings.Builder
	b.WriteString("# Methods\n\n" + generated + `
What a job can do, a page a method: its keys, the settings of a device that it needs, what it records,
how it fails, and a block that works. [What methods share](common.md): keys of every action, files,
durations, logins.

An editor that knows JSON Schema says the same while you type: point it at ` + "`schemas/job.schema.json`" + `.
` + "`strata validate --strict job.yaml`" + ` checks a definition, ` + "`strata plan job.yaml --device board.yaml`" + ` shows what
it will do.
`)
	var kind strict.Kind
	for _, p := range pages {
		if p.Kind != kind {
			kind = p.Kind
			fmt.Fprintf(&b, "\n## %s\n\n| %s | |\n|---|---|\n", kind, choosing(kind))
		}
		fmt.Fprintf(&b, "| [`%s`](%s/%s.md) | %s |\n", p.Title(), kind, p.Title(), p.Doc)
	}
	return b.String()
}

// choosing says what tells the methods of a kind apart.
func choosing(k strict.Kind) string {
	switch k {
	case strict.Deploy:
		return "`to`"
	case strict.Boot:
		return "`method`"
	case strict.Test:
		return "the key"
	}
	return "the action"
}

func common() string {
	var b strings.Builder
	b.WriteString("# What methods share\n\n" + generated)
	for _, part := range []struct {
		title, about string
		keys         []shape.Key
	}{
		{"Keys of every action", "Every deploy, boot, test and command takes these.", strict.Common(strict.Command)},
		{"Keys of every deploy", "Beside those of every action.", own(strict.Deploy)},
		{"Keys of every boot", "Beside those of every action.", own(strict.Boot)},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n", part.title, part.about)
		table(&b, part.keys)
	}
	for _, s := range strict.Shared() {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", s.Name, s.Doc)
		if keys := children(s.Shape); len(keys) > 0 {
			b.WriteString("\n")
			table(&b, keys)
		}
	}
	b.WriteString("\n## context\n\nVariables of the device's template that a job may set. A dictionary that sets one for good wins.\n\n")
	table(&b, strict.ContextKeys())
	return strings.ReplaceAll(b.String(), "(../common.md#", "(#")
}

// own returns the keys that all methods of a kind have beside those of every action.
func own(k strict.Kind) []shape.Key {
	return strict.Common(k)[len(strict.Common(strict.Command)):]
}

func (p Page) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: %s\n\n%s\n%s %s\n\n", p.Kind, p.Title(), generated, p.Doc, p.Notes)
	b.WriteString("```yaml\n" + p.Example + "```\n")
	if p.Context != "" {
		fmt.Fprintf(&b, "\nThe job says further: `context: %s`.\n", p.Context)
	}
	if p.Job != "" {
		b.WriteString("\nThe job says further:\n\n```yaml\n" + p.Job + "```\n")
	}
	keys := p.Keys
	for _, f := range p.Forms {
		keys = append(keys[:len(keys):len(keys)], f...)
	}
	if by := strings.Trim(choosing(p.Kind), "`"); p.Kind == strict.Deploy || p.Kind == strict.Boot {
		keys = slices.Concat([]shape.Key{shape.Required(by, shape.Words{p.Name}, "Chooses this method.")}, keys)
	}
	b.WriteString("\n## Keys\n\n")
	table(&b, keys)
	if len(p.Forms) > 0 {
		b.WriteString("\n" + forms(p.Forms))
	}
	fmt.Fprintf(&b, "\nBeside these: [the keys of every %s](../common.md#%s).\n", string(p.Kind), anchor(p.Kind))
	b.WriteString("\n## What the device needs\n\nOf the dictionary, once it is rendered:\n\n```yaml\n" + p.Device + "```\n")
	b.WriteString("\n## What it records\n\n")
	for _, r := range p.Records {
		b.WriteString("- " + r + "\n")
	}
	b.WriteString("\n## How it fails\n\n| to blame | when |\n|---|---|\n")
	for _, e := range p.Errors {
		fmt.Fprintf(&b, "| %s | %s |\n", e.Class, cell(e.When))
	}
	return b.String()
}

// As GitHub makes anchors of headings.
func anchor(k strict.Kind) string {
	if k == strict.Deploy || k == strict.Boot {
		return "keys-of-every-" + string(k)
	}
	return "keys-of-every-action"
}

func forms(all [][]shape.Key) string {
	var parts []string
	for _, form := range all {
		var names []string
		for _, k := range form {
			names = append(names, "`"+k.Name+"`")
		}
		parts = append(parts, strings.Join(names, ", "))
	}
	return "Of these, either " + strings.Join(parts, ", or ") + ".\n"
}

// table writes a row for each key, and for each key inside it.
func table(b *strings.Builder, keys []shape.Key) {
	b.WriteString("| key | what it is | unit | default | example | meaning |\n|---|---|---|---|---|---|\n")
	for _, k := range keys {
		rows(b, "", k)
	}
}

// What has a section of its own is linked and not told again; of a file only the keys that this method
// adds are.
func rows(b *strings.Builder, path string, k shape.Key) {
	path += k.Name
	byDefault := cell(k.Default)
	if k.Required {
		byDefault = "**required**"
	}
	example := ""
	if k.Example != "" {
		example = "`" + cell(k.Example) + "`"
	}
	meaning := cell(k.Doc)
	if k.Group != "" {
		meaning += " At most one of the group."
	}
	if k.Pair != "" {
		meaning += " Both of the pair, or neither."
	}
	fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s | %s |\n", path, kind(k.Shape), k.Unit, byDefault, example, meaning)
	if _, shared := sharedName(k.Shape); shared {
		return
	}
	inner := k.Shape
	if isFile(inner) {
		for _, c := range children(inner) {
			if !slices.ContainsFunc(strict.FileKeys(), func(f shape.Key) bool { return f.Name == c.Name }) {
				rows(b, path+".", c)
			}
		}
		return
	}
	sep := "."
	if items(inner) {
		sep = "[]."
	}
	for _, c := range children(inner) {
		rows(b, path+sep, c)
	}
}

// cell makes a text fit for a cell of a table.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(text)
}
