package boot

import (
	"context"
	"strings"

	"strata/dispatcher/container"
	"strata/dispatcher/feedback"
	"strata/dispatcher/pipeline"
)

// acceptsFVP wants the model and the container that it runs in.
func acceptsFVP(device, block pipeline.Data) (string, error) {
	return when("fvp", blockHas("image"), blockHas("docker"))(device, block)
}

// fvpContainer is the name of the model's container.
const fvpContainer pipeline.Key[string] = "run-fvp/fvp/container"

// fvp runs one of Arm's models (Fixed Virtual Platforms) in a container.
//
// The model prints which TCP ports its serial ports listen on, in any order and different each time.
// Each line is waited for by a pattern with a group PORT; then a telnet inside the container connects
// to the one that is the console, and to the others, which are read on the side and logged under
// names of their own.
func fvp(pipeline.Data) pipeline.Action {
	return retried("boot-fvp", "run a model and log in",
		func(step *pipeline.Step, s *pipeline.Session) []pipeline.Action {
			block := step.Block
			actions := []pipeline.Action{group("boot-fvp-main", "run a model",
				func(*pipeline.Step, *pipeline.Session) []pipeline.Action {
					actions := []pipeline.Action{checkFVP(), &runFVP{}}
					if block.Get("use_telnet").Bool(true) {
						actions = append(actions, connectFVP(), feedback.Read(false, false))
					}
					return actions
				})}
			if block.Has("prompts") {
				actions = append(actions, feedback.Read(false, false), autoLogin(true))
				if s.TestInfo().HasShell {
					actions = append(actions, expectShell{})
					if block.Has("transfer_overlay") {
						actions = append(actions, &unpack{})
					}
				}
			}
			if block.True() && block.Has("erpc_app") {
				actions = append(actions, fvpApplication())
			}
			if block.Has("commands") {
				actions = append(actions, fvpShellCommands())
			}
			return actions
		})
}

// fvpImage returns the container image of a block.
func fvpImage(s *pipeline.Session) string {
	name, _ := container.ImageOf(s.Block().Get("docker"))
	return name
}

// fvpFiles returns the job's downloads as the model sees them: below a directory with the name of
// the container. The rebuilt ramdisk stands for the one that was downloaded.
func fvpFiles(s *pipeline.Session, name string) (files []pipeline.Image, mounts []string) {
	for _, image := range downloads(s) {
		if rebuilt, ok := pipeline.Get(s, pipeline.RamdiskFile); ok && image.Label == "ramdisk" {
			image.Path = rebuilt
		}
		inside := "/" + name + "/" + base(image.Path)
		mounts = append(mounts, "--mount", "type=bind,source="+image.Path+",destination="+inside)
		image.Path = inside
		files = append(files, image)
	}
	return files, mounts
}

func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// fvpArguments fills the files into the model's arguments. As in Python's format, braces that mean
// themselves are doubled, and a name that is not known is an error.
func fvpArguments(arguments []string, files []pipeline.Image, name string) ([]string, error) {
	values := map[string]string{"ARTIFACT_DIR": "/" + name}
	for _, f := range files {
		values[strings.ToUpper(f.Label)] = f.Path
	}
	out := make([]string, len(arguments))
	for i, text := range arguments {
		var b strings.Builder
		for len(text) > 0 {
			switch {
			case strings.HasPrefix(text, "{{"), strings.HasPrefix(text, "}}"):
				b.WriteByte(text[0])
				text = text[2:]
			case text[0] == '{':
				end := strings.IndexByte(text, '}')
				if end < 0 {
					return nil, pipeline.Blamef(pipeline.Job, "argument '%s': a brace is not closed, may need escaping", arguments[i])
				}
				value, ok := values[text[1:end]]
				if !ok {
					return nil, pipeline.Blamef(pipeline.Job, "Key '%s' does not exist, may need escaping", text[1:end])
				}
				b.WriteString(value)
				text = text[end+1:]
			default:
				b.WriteByte(text[0])
				text = text[1:]
			}
		}
		out[i] = b.String()
	}
	return out, nil
}

// checkFVP is check-fvp-version: it finds out which model it is, for the results.
func checkFVP() pipeline.Action {
	return pipeline.Basic{Title: "check-fvp-version", About: "ask the model for its version",
		Check: func(_ context.Context, s *pipeline.Session) error {
			if s.Block().Get("console_string").Text() == "" {
				s.Invalid("'console_string' is not set: the pattern of the line that tells the console's port")
			}
			if fvpImage(s) == "" {
				s.Invalid("'docker' name is not set")
			}
			_, err := container.Find(s)
			return err
		},
		Do: askFVPVersion}
}
