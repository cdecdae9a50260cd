package strict

import (
	"regexp"
	"slices"

	"strata/schemas/shape"
)

// The names below are short because the tables are made of them.
var (
	text    = shape.Text{}
	texts   = shape.List{Of: text}
	boolean = shape.Flag{}
	whole   = shape.Number{Whole: true}
	count   = shape.Number{Least: shape.AtLeast(1)}
	index   = shape.Number{Least: shape.AtLeast(0)}
	// textOrList is a text, or a list of them.
	textOrList = shape.Either{text, texts}
	anyMapping = shape.Map{Rest: &shape.Key{Name: "<name>", Shape: shape.Anything{}}}
)

var (
	optional = shape.Optional
	required = shape.Required
)

// rest is the row of every key that has no row of its own; name stands for it in the reference.
func rest(name string, s shape.Shape, doc string) *shape.Key {
	k := shape.Optional(name, s, doc)
	return &k
}

// duration is how long something may take.
var duration = shape.Named{Name: "duration", Shape: shape.Either{unit("days"), unit("hours"), unit("minutes"), unit("seconds")}}

func unit(name string) shape.Shape {
	return shape.Map{Says: "a duration such as {minutes: 5}", Keys: []shape.Key{
		required(name, count, "How many "+name+".").In(name).Like("5"),
		optional("skip", boolean, "When the time of a test is over, go on with the next action instead of ending the job.").Otherwise("false"),
	}}
}

var dockerImage = shape.Text{
	Pattern: regexp.MustCompile(`^[a-z0-9]+[a-z0-9._/:-]*[a-z0-9]+(:[a-zA-Z0-9_]+[a-zA-Z0-9._-]*)?$`),
	Rule:    "Invalid docker image name",
	Says:    "a docker image name",
}

// docker is a container; name is the key of its image, and more are keys of one method.
func docker(name string, more ...shape.Key) shape.Map {
	return shape.Map{Keys: slices.Concat([]shape.Key{
		required(name, dockerImage, "Image to run.").Like("debian:13"),
		optional("local", boolean, "Pull the image only when the worker does not have it.").Otherwise("false"),
		optional("container_name", text, "Beginning of the container's name; the job's number follows.").Like("fastboot"),
		optional("network_from", text, "Container whose network this one joins.").Like("server"),
		optional("login", shape.Map{Keys: []shape.Key{
			required("registry", text, "Registry that wants a login.").Like("registry.example.com"),
			required("user", text, "User at the registry.").Like("lab"),
			required("password", text, "Password or token; write the name of a secret.").Like("REGISTRY_TOKEN"),
		}}, "Login at a private registry."),
	}, more)}
}

var loginPrompts = shape.Named{Name: "auto_login", Shape: shape.Map{Keys: []shape.Key{
	required("login_prompt", shape.Text{Least: 1}, "Expression that the login prompt matches.").Like("'login:'"),
	required("username", text, "User who logs in.").Like("root"),
	optional("password_prompt", text, "Expression that the question for the password matches.").With("password").Like("'Password:'"),
	optional("password", text, "Password of the user.").With("password").Like("secret"),
	optional("login_commands", texts, "Lines to type once logged in, before anything else.").Like("[sudo su]"),
}}}

var filledText = shape.Text{Least: 1}

// prompts are what the shell of the target prints when it waits for a command.
var promptList = shape.Named{Name: "prompts", Shape: shape.Either{filledText, shape.List{Of: filledText}}}

func prompts() shape.Key {
	return optional("prompts", promptList, "Expressions that the shell prompt matches, once the target has booted.").Like(`['root@debian:~#']`)
}

func autoLogin() shape.Key {
	return optional("auto_login", loginPrompts, "How to log in before the shell prompt comes.").Like("{login_prompt: 'login:', username: root}")
}

var overlayTransfer = shape.Named{Name: "transfer_overlay", Shape: shape.Either{
	shape.Map{Keys: []shape.Key{
		required("download_command", text, "Command on the target that fetches the overlay from an address.").Like("wget -S --progress=dot:giga"),
		required("unpack_command", text, "Command on the target that unpacks the overlay.").Like("tar -C / -xzf"),
		optional("transfer_method", text, "How the overlay comes to the target: http, nfs or zmodem.").Otherwise("http").Like("nfs"),
	}},
	shape.Map{Keys: []shape.Key{
		required("transfer_method", shape.Words{"zmodem"}, "The overlay comes over the serial line."),
		required("unpack_command", text, "Command on the target that unpacks the overlay.").Like("tar -C / -xzf"),
	}},
}}

func transferOverlay() shape.Key {
	return optional("transfer_overlay", overlayTransfer, "How the target fetches the test overlay when it could not be put into its file system before.")
}

var overlayBackend = shape.Words{"auto", "e2fsprogs", "guestfs"}

// resourceKeys are what every file to fetch may have.
func resourceKeys() []shape.Key {
	return []shape.Key{
		required("url", text, "Address of the file: http, https, file, scp, rclone, or downloads for one fetched earlier.").Like("https://example.com/Image"),
		optional("headers", anyMapping, "HTTP headers to send; a value that names a token of the submitter is replaced by it.").Like("{PRIVATE-TOKEN: my-token}"),
		optional("compression", shape.Either{shape.Words{"bz2", "gz", "xz", "zip", "zstd"}, shape.Nothing{}}, "How the file is compressed; it is unpacked while it is fetched.").Otherwise("not compressed").Like("gz"),
		optional("archive", shape.Words{"tar"}, "The file is an archive; its directory is used."),
		optional("md5sum", text, "MD5 of the file as it is fetched: 32 hexadecimal digits.").Like("d41d8cd98f00b204e9800998ecf8427e"),
		optional("sha256sum", text, "SHA-256 of the file as it is fetched: 64 hexadecimal digits.").Like("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
		optional("sha512sum", text, "SHA-512 of the file as it is fetched: 128 hexadecimal digits.").Like("cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e"),
		optional("use_cache", boolean, "Fetch through the worker's cache.").Otherwise("true"),
	}
}

// resource is a file to fetch, in its two forms: as it is, or with overlays put into it. Extra are
// the keys that one method adds; a name other than "" is that of the JSON Schema's definition.
func resource(name string, extra ...shape.Key) shape.Shape {
	plain := shape.Map{Says: "a mapping with url", Keys: slices.Concat(resourceKeys(), extra)}
	var own []shape.Key // the overlay form has a format of its own
	for _, k := range extra {
		if k.Name != "format" && k.Name != "partition" && k.Name != "sparse" {
			own = append(own, k)
		}
	}
	overlaid := shape.Map{Says: "a mapping with url", Keys: slices.Concat(resourceKeys(), own, []shape.Key{
		required("format", shape.Words{"cpio.newc", "ext4", "tar"}, "What the file is, so that overlays can be put into it.").Like("ext4"),
		optional("partition", whole, "Partition that the overlays go into.").In("index from 0").Otherwise("the image is one file system").Like("1"),
		optional("sparse", boolean, "The image is an Android sparse image.").Otherwise("false"),
		optional("overlay_backend", overlayBackend, "Tool that writes into ext4.").Otherwise("auto"),
		required("overlays", overlays, "What is put into the file after it was fetched.").Like("{lava: true}"),
	})}
	both := shape.Either{plain, overlaid}
	if name == "" {
		return both
	}
	return shape.Named{Name: name, Shape: both}
}

var overlays = shape.Named{Name: "overlays", Shape: shape.Map{
	Keys: []shape.Key{optional("lava", boolean, "Put the test overlay in, at the root.")},
	Rest: rest("<overlay>", shape.Map{Keys: slices.Concat(resourceKeys(), []shape.Key{
		required("format", shape.Words{"file", "tar"}, "Copy the file, or unpack it."),
		required("path", text, "Where it goes inside the image: absolute, without ‘..’.").Like("/usr/src"),
	})}, "A file or archive of your own."),
}}

// file is a resource without keys of one method.
var file = resource("resource")

// images is a mapping of files by names of your choice, at least one.
func images(name string, extra ...shape.Key) shape.Map {
	return shape.Map{Least: 1, Says: "a mapping of at least one image",
		Rest: rest("<image>", resource(name, extra...), "An image, under a name of your choice.")}
}

var rootPartition = optional("root_partition", index, "Partition that the test overlay goes into.").In("index from 0").Like("1")

var applyOverlay = optional("apply-overlay", boolean, "Put the test overlay into this image.").Otherwise("false")

var uniquify = optional("uniquify", boolean, "Give each file a directory of its own, so that equal names do not clash.")

// actionKeys are what every action may have, whatever its kind and method.
func actionKeys() []shape.Key {
	return []shape.Key{
		optional("namespace", namespace, "Label that joins the actions which share files and a connection.").Otherwise("common").Like("tlxc"),
		optional("connection-namespace", text, "Namespace whose connection to the device is used.").Otherwise("the action's own").Like("host"),
		optional("protocols", anyMapping, "Calls of protocols that are made at named steps of the action.").Like("{lava-multinode: [{action: umount-retry, request: lava-sync, messageID: clients}]}"),
		optional("role", texts, "Roles of a multinode job that run this action.").Like("[server]"),
		optional("timeout", duration, "How long the whole action may take.").Otherwise("timeouts.action of the job").Like("{minutes: 5}"),
		optional("timeouts", shape.Map{Rest: rest("<action>", duration, "How long this step may take.")}, "How long named steps of the action may take.").Like("{http-download: {minutes: 2}}"),
		optional("repeat", count, "Run the action so many times.").In("runs").Otherwise("1").Like("3"),
		optional("failure_retry", count, "Run the action until it succeeds, at most so many times.").In("runs").Otherwise("1").Like("3"),
		optional("failure_retry_interval", count, "Pause between two of these runs.").In("seconds").Otherwise("1").Like("10"),
	}
}

var namespace = shape.Text{
	Not:  []string{"common", "docker-test-shell"},
	Rule: "'common' and 'docker-test-shell' are reserved namespace names",
	Says: "a namespace",
}
