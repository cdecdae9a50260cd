package boot

import (
	"context"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"strata/dispatcher/connection"
	"strata/dispatcher/pipeline"
	"strata/schemas/python"
)

// unpack is overlay-unpack: it fetches the overlay onto a running system and unpacks it at /.
type unpack struct{}

// Name returns the action's name.
func (*unpack) Name() string { return "overlay-unpack" }

// Description says what the action does.
func (*unpack) Description() string { return "fetch the overlay onto the device and unpack it" }

// Validate checks what the block says about the transfer.
func (*unpack) Validate(_ context.Context, s *pipeline.Session) error {
	transfer := s.Block().Get("transfer_overlay")
	needed := []string{"download_command", "unpack_command"}
	switch method := transferMethod(s); method {
	case "http", "nfs":
	case "zmodem":
		needed = []string{"unpack_command"}
		if uart(s) == "" {
			s.Invalid("transfer_method zmodem needs the 'uart' of the device's first device_info")
		}
		if err := tool("sz"); err != nil {
			return err
		}
	default:
		s.Invalid("Unsupported 'transfer_method' %s: http, nfs and zmodem are known", python.Quote(method))
	}
	for _, key := range needed {
		if transfer.Get(key).Text() == "" {
			s.Invalid("Missing or empty '%s' in 'transfer_overlay'", key)
		}
	}
	return nil
}

func transferMethod(s *pipeline.Session) string {
	return s.Block().Get("transfer_overlay", "transfer_method").TextOr("http")
}

// uart returns the node of the device's serial port on the worker.
func uart(s *pipeline.Session) string {
	if infos := s.Device.Get("device_info").Items(); len(infos) > 0 {
		return infos[0].Get("uart").Text()
	}
	return ""
}

// Run types the commands.
func (*unpack) Run(ctx context.Context, s *pipeline.Session) error {
	c, err := console(s)
	if err != nil {
		return err
	}
	file, ok := pipeline.Get(s, pipeline.OverlayFile)
	if !ok {
		s.Log.Debug("No overlay to transfer")
		return nil
	}
	switch transferMethod(s) {
	case "nfs":
		return unpackNFS(ctx, s, c)
	case "zmodem":
		return unpackZmodem(ctx, s, c, file)
	}
	return unpackHTTP(ctx, s, c, file)
}

// unpackHTTP has the device download the tarball.
func unpackHTTP(ctx context.Context, s *pipeline.Session, c *connection.Connection, file string) error {
	url, err := overlayURL(s, file)
	if err != nil {
		return err
	}
	transfer, name := s.Block().Get("transfer_overlay"), path.Base(file)
	if err := s.SendLine(ctx, c, "rm "+name); err != nil {
		return err
	}
	if _, err := s.Expect(ctx, c, c.Prompts); err != nil {
		return err
	}
	if err := s.Checked(ctx, c, transfer.Get("download_command").Text()+" "+url, s.Remaining(ctx)); err != nil {
		return err
	}
	return s.Checked(ctx, c, transfer.Get("unpack_command").Text()+" "+name, s.Remaining(ctx))
}

// overlayURL returns where the device finds the tarball: on the worker's own web server, or where it
// has none on that of the host, which shows the directory of all jobs as /tmp.
func overlayURL(s *pipeline.Session, file string) (string, error) {
	if web := s.Services().Web; web.Dir != "" || web.Fault != "" {
		return s.WebURL(file)
	}
	ip, err := s.DispatcherIP("http")
	if err != nil {
		return "", err
	}
	below, err := filepath.Rel(filepath.Dir(s.JobDir()), file)
	if err != nil || strings.HasPrefix(below, "..") {
		return "", pipeline.Blamef(pipeline.Configuration, "the overlay %s is not below the job's directory", file)
	}
	return fmt.Sprintf("http://%s/tmp/%s", ip, below), nil
}

// unpackNFS has the device mount the overlay's directory and copy it.
func unpackNFS(ctx context.Context, s *pipeline.Session, c *connection.Connection) error {
	from, ok := pipeline.Get(s, pipeline.OverlayDir)
	results, ok2 := pipeline.Get(s, pipeline.ResultsDir)
	if !ok || !ok2 {
		return pipeline.Blamef(pipeline.Job, "there is no overlay to transfer by NFS")
	}
	ip, err := s.DispatcherIP("nfs")
	if err != nil {
		return err
	}
	transfer := s.Block().Get("transfer_overlay")
	mount := "/" + path.Base(results) + "-nfs"
	lines := []string{
		fmt.Sprintf("mkdir -p %s; %s %s:%s %s", mount, transfer.Get("download_command").Text(), ip, from, mount),
		fmt.Sprintf("%s %s/* /; umount %s; rm -fr %s", transfer.Get("unpack_command").Text(), mount, mount, mount),
	}
	for _, line := range lines {
		if err := s.Checked(ctx, c, line, s.Remaining(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// unpackZmodem sends the tarball over the console's own serial line.
func unpackZmodem(ctx context.Context, s *pipeline.Session, c *connection.Connection, file string) error {
	if err := s.SendLine(ctx, c, "rz"); err != nil {
		return err
	}
	// The connection goes on reading the line, as LAVA's does: the protocol's answers go to whoever is
	// first, and what is lost is sent again.
	line, err := os.OpenFile(uart(s), os.O_RDWR, 0)
	if err != nil {
		return pipeline.Blamef(pipeline.Infrastructure, "open the device's serial port: %w", err)
	}
	if err := line.Close(); err != nil {
		return pipeline.Blame(pipeline.Infrastructure, err)
	}
	port := shellQuote(uart(s))
	if err := s.Command(ctx, "sh", "-c", fmt.Sprintf("sz --binary --escape -y %s < %s > %s", shellQuote(file), port, port)); err != nil {
		return err
	}
	return s.Checked(ctx, c, s.Block().Get("transfer_overlay", "unpack_command").Text()+" "+path.Base(file), s.Remaining(ctx))
}

// shellQuote makes a text one word of a POSIX shell.
func shellQuote(text string) string {
	if text != "" && !strings.ContainsFunc(text, func(r rune) bool {
		return !slices.Contains([]rune("/._-+=:,@%"), r) && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'"'"'`) + "'"
}
