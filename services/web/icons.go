package web

import (
	"fmt"
	"html/template"
)

// icon draws one of the few pictures of the pages: 16×16, in the colour of its text, hidden from screen readers,
// whose words stand beside it or in a label.
// They are inline, as an <img> could not take the colour of its text, and a font of icons is read aloud as letters. aria-hidden
// keeps them from being named twice (WCAG 1.1.1: what decorates has no text of its own).
func icon(name string) (template.HTML, error) {
	path := map[string]string{
		"search":   `<circle cx="7" cy="7" r="4.5"/><path d="m10.5 10.5 3.5 3.5"/>`,
		"menu":     `<path d="M2 4h12M2 8h12M2 12h12"/>`,
		"moon":     `<path d="M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7Z"/>`,
		"sun":      `<circle cx="8" cy="8" r="3"/><path d="M8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1"/>`,
		"star":     `<path d="m8 1.8 1.9 4 4.3.6-3.1 3 .7 4.400L8 11.700l-3.8 2.1.7-4.4-3.1-3 4.3-.600Z"/>`,
		"starred":  `<path fill="currentColor" d="m8 1.8 1.9 4 4.3.6-3.1 3 .7 4.400L8 11.700l-3.8 2.1.7-4.4-3.1-3 4.3-.600Z"/>`,
		"down":     `<path d="m4 6 4 4 4-4"/>`,
		"right":    `<path d="m6 4 4 4-4 4"/>`,
		"left":     `<path d="m10 4-4 4 4 4"/>`,
		"up":       `<path d="m4 10 4-4 4 4"/>`,
		"download": `<path d="M8 2v8M4.5 7 8 10.5 11.5 7M2.5 13.5h11"/>`,
		"repeat":   `<path d="M13 8a5 5 0 1 1-1.5-3.600M13 2v3h-3"/>`,
		"stop":     `<rect x="3.5" y="3.5" width="9" height="9" rx="1"/>`,
		"check":    `<path d="m3 8.5 3.2 3.200L13 4.5"/>`,
		"cross":    `<path d="m4 4 8 8M12 4l-8 8"/>`,
		"dash":     `<path d="M4 8h8"/>`,
		"plus":     `<path d="M8 3v10M3 8h10"/>`,
		"clock":    `<circle cx="8" cy="8" r="6"/><path d="M8 4.5V8l2.5 1.5"/>`,
		"play":     `<path d="m5 3 8 5-8 5Z"/>`,
		"link":     `<path d="M6.5 9.5a3 3 0 0 0 4.3 0l2-2a3 3 0 1 0-4.3-4.300l-.8.800M9.5 6.5a3 3 0 0 0-4.3 0l-2 2a3 3 0 1 0 4.3 4.300l.8-.8"/>`,
		"copy":     `<rect x="5.5" y="5.5" width="8" height="8" rx="1"/><path d="M10.5 3.5v-1h-8v8h1"/>`,
		"note":     `<path d="M2.5 3h11v8h-6l-3 2.5V11h-2Z"/>`,
		"edit":     `<path d="m3 13 .5-3L11 2.5 13.5 5 6 12.5Z"/>`,
		"help":     `<circle cx="8" cy="8" r="6"/><path d="M6 6.300a2 2 0 1 1 2.7 1.900c-.5.2-.7.5-.7 1.100M8 11.5v.1"/>`,
		"user":     `<circle cx="8" cy="5.5" r="2.5"/><path d="M3 13.5c.5-2.5 2.5-4 5-4s4.5 1.5 5 4"/>`,
		"bell":     `<path d="M4 11V7a4 4 0 0 1 8 0v4l1 1H3ZM6.5 14h3"/>`,
		"warn":     `<path d="M8 2 14.5 13.5h-13ZM8 6.5v3.5M8 11.700v.1"/>`,
		"chip":     `<rect x="4" y="4" width="8" height="8" rx="1"/><path d="M6 4V2M10 4V2M6 14v-2M10 14v-2M4 6H2M4 10H2M14 6h-2M14 10h-2"/>`,
	}[name]
	if path == "" { // a name that is mistyped fails the page in its test, and is not left out
		return "", fmt.Errorf("there is no icon %q", name)
	}
	return template.HTML(`<svg class="icon" viewBox="0 0 16 16" width="16" height="16" fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true">` + path + `</svg>`), nil
}
