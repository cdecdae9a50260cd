package boot_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"strata/dispatcher/boot"
	"strata/dispatcher/dispatchertest"
	"strata/dispatcher/pipeline"
)

// containers are the methods whose device is in a container, or on the other side of one.
func containers(t *testing.T) []methodRun {
	shell := map[string]string{"CONSOLE": "prompt sh# \nwait ^$\nprompt sh# \nhang"}
	image := func(s *pipeline.Session) { pipeline.Put(s, pipeline.DockerImage, "debian:13") }
	model := map[string]string{"CONSOLE": "print Fast Models\nprint fb_one: Listening on port 5001\nprint terminal_0: Listening for serial connection on port 5000\nhang",
		"TELNET": "print Linux version 6\nprompt sh# \nwait ^$\nprompt sh# \nhang"}
	const fvpBlock = "method: fvp, image: /opt/FVP, docker: {name: 'fvp:1', local: true}, arguments: ['--data={KERNEL}@0x0', '-C x={{y}}', '--dir={ARTIFACT_DIR}'], " +
		"console_string: 'terminal_0: Listening for serial connection on port (?P<PORT>\\d+)', license_variable: 'ARMLMD_LICENSE_FILE=27000@h', environment: {A: b}"
	const fvpTalk = "feedbacks: ['(?P<NAME>fb_\\w+): Listening on port (?P<PORT>\\d+)'], prompts: ['sh# ']"
	fvpMethods := "fvp: {options: {cpus: 2, memory: 1G, privileged: true, devices: [], networks: [n], volumes: [/v:/v]}}"
	fvpStart := []string{"docker image inspect --format Image exists locally fvp:1", "docker run --rm fvp:1 /opt/FVP --version",
		"docker run --rm --interactive --tty --hostname lava --name lava-7-2.1.2 --cpus 2 --memory 1G --privileged --network n --volume /v:/v " +
			"--mount type=bind,source=@/kernel/zImage,destination=/lava-7-2.1.2/zImage --mount type=bind,source=%/run-fvp-*/script.sh,destination=/root/script.sh " +
			"--env ARMLMD_LICENSE_FILE=27000@h --env A=b fvp:1 sh /root/script.sh"}
	const telnet = "docker exec --interactive --tty lava-7-2.1.2 telnet localhost "
	const fvpStop = "docker stop --time 5 lava-7-2.1.2"
	qemuMethods := "qemu: {parameters: {command: qemu-system-aarch64, options: ['-machine virt'], extra: []}}"
	const qemuJob, arch = "context: {arch: arm64}\n", ", available_architectures: [arm64]"
	machine := func(s *pipeline.Session) {
		pipeline.Put(s, pipeline.Images, []pipeline.Image{{Label: "kernel", Path: "/k", Arg: "-kernel {kernel}"}})
	}
	service := dispatchertest.StartAVH(t)
	service.Console = "Linux version 6\r\nroot@board:~# "
	broken := dispatchertest.StartAVH(t)
	broken.States = []string{"creating", "error"}
	avh := func(service *dispatchertest.AVH) bench {
		return bench{job: "secrets: {avh_api_token: " + dispatchertest.AVHToken + "}\n", methods: "avh: ", shell: true,
			more: "actions: {deploy: {methods: {avh: {options: {api_endpoint: '" + service.URL + "'}}}}, boot: {connections: {serial: }, methods: {avh: }}}",
			leave: func(s *pipeline.Session) {
				kernel, _ := pipeline.Get(s, pipeline.Artefact("kernel"))
				pipeline.Put(s, boot.AVHPrepared, boot.AVHBoard{Package: kernel, Model: "rpi4b", Project: "p-1", Version: "1", Build: "7"})
			}, blocks: []string{"method: avh, bootargs: {normal: a, restore: b}, prompts: ['root@board:~# ']"}}
	}
	booter := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		if want := `{"nics":[{"image":"/data/boot.img","mac":"02:00:00:00:00:01"},{"image":"/data/nic.img","mac":"02:00:00:00:00:02"}]}`; r.URL.Path != "/config" || string(text) != want {
			http.Error(w, fmt.Sprintf("not what was wanted: %s %s", r.URL.Path, text), http.StatusBadRequest)
		}
	}))
	t.Cleanup(booter.Close)
	nics := func(s *pipeline.Session) {
		pipeline.Put(s, pipeline.Artefact("boot"), "/d/boot.img")
		pipeline.Put(s, pipeline.Artefact("nic0"), "/d/nic.img")
	}
	const nodeEnv = "environment: {DUT_MAC: '02:00:00:00:00:01', DUT_IFACE: eth1, NIC0_MAC: '02:00:00:00:00:02'}"
	return []methodRun{
		{
			name:     "docker",
			consoles: shell,
			bench: bench{
				shell:   true,
				leave:   image,
				blocks:  []string{"method: docker, command: 'bash -l', prompts: ['sh# ']"},
				methods: "docker: {options: {cpus: 1.5, memory: 0, capabilities: [SYS_ADMIN], devices: [/dev/x], networks: [n], volumes: [/v], extra_arguments: [--init]}}",
			},
			calls: []string{
				"docker run --rm --interactive --tty --hostname lava --name lava-7-2.1 --mount type=bind,source=/srv/lava-overlay-1/lava-7,destination=/lava-7 " +
					"--cpus 1.5 --cap-add SYS_ADMIN --device /dev/x --network n --volume /v --init debian:13 bash -l",
				"docker stop --time 5 lava-7-2.1",
			},
		},
		{
			name:     "docker elsewhere",
			consoles: shell,
			bench: bench{
				shell:   true,
				leave:   image,
				blocks:  []string{"method: docker, command: sh, prompts: ['sh# ']"},
				methods: "docker: {options: {remote: 'tcp://h:2376'}}",
			},
			calls: []string{
				"docker --host tcp://h:2376 run --rm --interactive",
				"docker --host tcp://h:2376 stop --time 5 lava-7-2.1",
			},
		},
		{
			name: "docker without an image",
			bench: bench{
				blocks:  []string{"method: docker, command: sh"},
				methods: "docker: ",
			},
			class: pipeline.Job,
			says:  "there is no container image",
		},
		{
			name:     "fvp",
			consoles: model,
			bench: bench{
				shell:   true,
				methods: fvpMethods,
				blocks:  []string{fvpBlock + ", " + fvpTalk},
			},
			says:  `"fvp-version":"Fast Models [11.27.19]"`,
			calls: append(slices.Clone(fvpStart), telnet+"5000", telnet+"5001", fvpStop),
		},
		{
			name:     "fvp whose console is the model's own",
			consoles: map[string]string{"CONSOLE": "print terminal_0: Listening for serial connection on port 5000\nprint Linux version 6\nprompt sh# \nhang"},
			bench: bench{
				methods: fvpMethods,
				blocks:  []string{fvpBlock + ", use_telnet: false, prompts: ['sh# ']"},
			},
			calls: append(slices.Clone(fvpStart), fvpStop),
		},
		{
			name:     "fvp with commands beside it",
			consoles: model,
			bench: bench{
				methods: fvpMethods,
				blocks:  []string{fvpBlock + ", commands: [export A=1, ./go]"},
			},
			calls: append(slices.Clone(fvpStart), "docker exec --interactive --tty lava-7-2.1.2 sh -c export A=1; ./go", telnet+"5000", fvpStop),
		},
		{
			name:     "fvp with an application beside it",
			consoles: model,
			bench: bench{
				methods: fvpMethods,
				blocks:  []string{fvpBlock + ", erpc_app: kernel"},
			},
			calls: append(slices.Clone(fvpStart), "docker exec --interactive --tty lava-7-2.1.2 sh -c chmod +x /lava-7-2.1.2/zImage", telnet+"5000", fvpStop),
		},
		{
			name: "fvp with an unknown file",
			bench: bench{
				methods: fvpMethods,
				blocks:  []string{strings.Replace(fvpBlock, "{KERNEL}", "{ROM}", 1)},
			},
			class: pipeline.Job,
			says:  "Key 'ROM' does not exist, may need escaping",
			calls: fvpStart[:2],
		},
		{
			name:     "qemu in a container",
			consoles: map[string]string{"CONSOLE": "print Linux version 6\nprompt sh# \nhang"},
			bench: bench{
				more:    "x: y" + arch,
				job:     qemuJob,
				methods: qemuMethods,
				leave:   machine,
				blocks:  []string{"method: qemu, docker: {image: 'qemu:1', binary: /usr/bin/qemu-a64}, prompts: ['sh# ']"},
			},
			says: `"qemu_version":"9.1.2"`,
			calls: []string{
				"docker pull qemu:1",
				"docker run --rm qemu:1 /usr/bin/qemu-a64 --version",
				"docker run --interactive --tty --rm --init --name=lava-7-2.1.1 --hostname=lava --network=host --cap-add=NET_ADMIN ",
				"docker stop --time 5 lava-7-2.1.1",
			},
		},
		{
			name:  "avh",
			bench: avh(service),
			says:  "Instance i-1 is on",
		},
		{
			name:  "avh in error",
			bench: avh(broken),
			class: pipeline.Job,
			says:  "AVH instance i-1 is in error state: disk too small",
		},
		{
			name: "nodebooter",
			bench: bench{
				more:    nodeEnv,
				deploy:  "images: {boot: {url: x}, nic0: {url: x}}",
				leave:   nics,
				methods: "minimal: , nodebooter: {parameters: {api: '" + booter.URL + "'}}",
				script:  "print Linux version 6\nprompt sh# \nhang",
				blocks:  []string{"method: minimal, reset: false", "method: nodebooter, docker: {image: 'nb:1'}, prompts: ['sh# ']"},
			},
			calls: []string{
				"docker pull nb:1",
				"docker run --rm --detach --network host --cap-add NET_ADMIN --name lava-nodebooter-7-3.1 --env DUT_MAC=02:00:00:00:00:01 --env DUT_IFACE=eth1 " +
					"--env NIC0_MAC=02:00:00:00:00:02 --mount type=bind,source=/d/boot.img,destination=/data/boot.img --mount type=bind,source=/d/nic.img,destination=/data/nic.img nb:1",
				"docker stop --time 5 lava-nodebooter-7-3.1",
			},
		},
		{
			name: "nodebooter without a MAC",
			bench: bench{
				methods: "nodebooter: ",
				blocks:  []string{"method: nodebooter, docker: {image: 'nb:1'}"},
			},
			class: pipeline.Job,
			says:  "no 'DUT_MAC' in its environment",
		},
	}
}
