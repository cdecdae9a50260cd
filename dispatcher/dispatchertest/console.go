// Package dispatchertest stands for hardware in tests: a console that plays a script, and the
// running of a job against it.
//
// A script says line by line what the console prints and what it waits for:
//
//	print TEXT     print a line
//	prompt TEXT    print text without a line end
//	file PATH      print a file, such as a recorded console
//	replay PATH KEY ||| LINE
//	               print a recorded console, but stop after each match of the regex KEY until a key is
//	               typed, and after each of LINE until a line with something in it is typed (after raw)
//	wait REGEX     wait until a line that matches was typed
//	raw            take each key as it is typed: control characters reach the script
//	key REGEX      wait until what was typed since the last wait matches, line end or not (after raw)
//	eval           from here on answer like a shell: run each typed line and prompt again
//	hang           print nothing more, and stay
//	# …            a comment
//
// After the last line the console ends, which closes the connection. The console is a process on a
// terminal, like a real one: the test binary itself, started with the script as its argument. So a
// package that uses it has
//
//	func TestMain(m *testing.M) { dispatchertest.Main(m) }
package dispatchertest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// consoleFlag makes the test binary a console.
const consoleFlag = "-strata-console"

// Main plays a console if the process was started as one, and runs the tests otherwise.
func Main(m *testing.M) {
	if len(os.Args) == 3 && os.Args[1] == consoleFlag {
		if err := play(os.Args[2], os.Stdin, os.Stdout); err != nil {
			fmt.Println("console script:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Console returns the command of a console that plays script: what a device dictionary has as
// commands.connect.
func Console(t *testing.T, script string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "console.txt")
	if err := os.WriteFile(file, []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return self + " " + consoleFlag + " " + file
}

func play(file string, in io.Reader, out io.Writer) error {
	script, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	typed := bufio.NewReader(in)
	prompt := ""
	for line := range strings.Lines(string(script)) {
		verb, text, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		switch verb {
		case "", "#":
		case "print":
			fmt.Fprintln(out, text)
		case "prompt":
			prompt = text
			fmt.Fprint(out, text)
		case "file":
			if err := copyFile(out, text); err != nil {
				return err
			}
		case "replay":
			if err := replay(typed, out, text); err != nil {
				return err
			}
		case "wait":
			if err := waitFor(typed, text); err != nil {
				return err
			}
		case "raw":
			if err := raw(int(os.Stdin.Fd())); err != nil {
				return err
			}
		case "key":
			if err := waitForKey(typed, text); err != nil {
				return err
			}
		case "eval":
			return eval(typed, out, prompt)
		case "hang":
			_, err := io.Copy(io.Discard, typed)
			return err
		default:
			return fmt.Errorf("%q is not a verb of console scripts", verb)
		}
	}
	return nil
}

// copyFile prints a recorded console. The terminal adds a carriage return to every newline, as the
// recorded one did.
func copyFile(out io.Writer, name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	_, err = out.Write(bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n")))
	return err
}

// replay prints a recorded console with stops for what is typed.
func replay(typed *bufio.Reader, out io.Writer, text string) error {
	path, stops, _ := strings.Cut(text, " ")
	key, line, ok := strings.Cut(stops, " ||| ")
	if !ok {
		return fmt.Errorf("replay %q: want PATH KEY ||| LINE", text)
	}
	re, err := regexp.Compile("(" + key + ")|(?:" + line + ")")
	if err != nil {
		return err
	}
	recorded, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	recorded = bytes.ReplaceAll(recorded, []byte("\r\n"), []byte("\n"))
	from := 0
	for _, at := range re.FindAllSubmatchIndex(recorded, -1) {
		if _, err := out.Write(recorded[from:at[1]]); err != nil {
			return err
		}
		from = at[1]
		if at[2] >= 0 {
			_, err = typed.ReadByte()
		} else {
			err = waitFor(typed, ".")
		}
		if err != nil {
			return fmt.Errorf("replay %s: %w", path, err)
		}
	}
	_, err = out.Write(recorded[from:])
	return err
}

// waitFor reads typed lines until one matches.
func waitFor(typed *bufio.Reader, pattern string) error {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	for {
		line, err := typed.ReadString('\n')
		if re.MatchString(strings.TrimRight(line, "\r\n")) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("wait for %q: %w", pattern, err)
		}
	}
}

// eval runs each typed line with the worker's shell, one process a line.
func eval(typed *bufio.Reader, out io.Writer, prompt string) error {
	for {
		line, err := typed.ReadString('\n')
		if err != nil {
			return nil
		}
		cmd := exec.Command("/bin/sh", "-c", line)
		cmd.Stdout, cmd.Stderr = out, out
		_ = cmd.Run() // the line tells its status itself
		fmt.Fprint(out, prompt)
	}
}

// raw switches the terminal's line editing off, as that of a boot loader's serial line is.
func raw(fd int) error {
	mode, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return fmt.Errorf("read the terminal's mode: %w", err)
	}
	mode.Lflag &^= unix.ICANON | unix.ISIG
	mode.Iflag &^= unix.ICRNL
	mode.Cc[unix.VMIN], mode.Cc[unix.VTIME] = 1, 0
	return unix.IoctlSetTermios(fd, unix.TCSETS, mode)
}

// waitForKey reads typed bytes until they match.
func waitForKey(typed *bufio.Reader, pattern string) error {
	re, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	var seen []byte
	for !re.Match(seen) {
		b, err := typed.ReadByte()
		if err != nil {
			return fmt.Errorf("wait for the key %q: %w", pattern, err)
		}
		seen = append(seen, b)
	}
	return nil
}
