package logbook

// escape returns the length of the sequence that an escape character begins, 1 where it is none
// (ECMA-48, and the window titles of xterm).
// One that is not finished takes the rest: consoles' lines are cut anywhere.
func escape(text string) int {
	if len(text) < 2 {
		return 1
	}
	switch c := text[1]; {
	case c == '[': // CSI: parameters, intermediate bytes, one final byte
		at := 2
		for at < len(text) && text[at] >= 0x20 && text[at] <= 0x3f {
			at++
		}
		if at < len(text) && text[at] >= 0x40 && text[at] <= 0x7e {
			return at + 1
		}
		return at
	// OSC, DCS, PM, APC and SOS: titles, reports and the like, which show nothing.
	case c == ']' || c == 'P' || c == '^' || c == '_' || c == 'X': // a string, up to BEL or ESC \
		for at := 2; at < len(text); at++ {
			if text[at] == 0x07 {
				return at + 1
			}
			if text[at] == 0x1b && at+1 < len(text) && text[at+1] == '\\' {
				return at + 2
			}
		}
		return len(text)
	case c >= 0x20 && c <= 0x2f: // such as the choice of a character set
		at := 2
		for at < len(text) && text[at] >= 0x20 && text[at] <= 0x2f {
			at++
		}
		return min(at+1, len(text))
	case c >= 0x30 && c <= 0x7e:
		return 2
	}
	return 1
}

// bare returns the length of a sequence that lost its escape character, 0 where the text is none. Such are
// believed only where texts of people hardly look so: a colour has numbers or stands alone as [m, and is not
// closed by a bracket; of the others those that consoles really send.
// It is told apart from what people write in brackets, such as [12] or [main], by its last letter.
func bare[T string | []byte](text T) int {
	at := 1
	private := at < len(text) && text[at] == '?'
	if private {
		at++
	}
	digits, semicolons := 0, 0
	for at < len(text) && (text[at] >= '0' && text[at] <= '9' || text[at] == ';') {
		if text[at] == ';' {
			semicolons++
		} else {
			digits++
		}
		at++
	}
	// No sequence that consoles send has as many parameters.
	if at == len(text) || at > 24 {
		return 0
	}
	final := text[at]
	at++
	if at < len(text) && text[at] == ']' && !(final == 'm' && digits == 1 && text[1] == '0') { // "[  OK  [0m]" of systemd
		return 0
	}
	switch {
	case private && digits > 0 && (final == 'h' || final == 'l'):
	case private:
		return 0
	case final == 'm':
		if at+1 < len(text) && text[at] == '[' && text[at+1] == 'K' { // as compilers colour
			at += 2
		}
	case final == 'K' && digits == 1 && semicolons == 0:
	case final == 'J' && digits == 1 && semicolons == 0:
	case (final == 'H' || final == 'f' || final == 'r') && semicolons == 1 && digits > 1:
	case final == 'n' && digits == 1 && semicolons == 0 && text[1] == '6':
	default:
		return 0
	}
	return at
}
