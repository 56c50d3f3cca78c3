package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

const janusPackage = "github.com/pgjanus/pgjanus/cmd/pgjanus"

// janusConfig has the defaults for everything but the addresses.
const janusConfig = `listen: %s
upstream: %s
control: %s
rules: %s
admin: {listen: %s}
log: {level: info, format: json}
`

// janus is a running pgjanus.
type janus struct {
	*child
	port  int
	admin string // base URL
}

// startJanus builds pgjanus and runs it, with the three migrations in
// dualwrite, in front of the server on port upstream.
func startJanus(ctx context.Context, dir, control string, upstream int) (*janus, error) {
	binary := filepath.Join(dir, "pgjanus")
	build := exec.CommandContext(ctx, "go", "build", "-o", binary, janusPackage)
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("building pgjanus (run bench inside the repository): %w\n%s", err, out)
	}
	rules, err := rulesWith("")
	if err != nil {
		return nil, err
	}
	return runJanus(ctx, dir, dir, control, upstream, rules)
}

// runJanus runs what startJanus has built in built, with its files in dir.
func runJanus(ctx context.Context, built, dir, control string, upstream int, rules []byte) (*janus, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("making a directory: %w", err)
	}
	config, port, admin, err := configureJanus(dir, control, upstream, rules)
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(filepath.Join(built, "pgjanus"), "serve", "--config", config)
	cmd.Dir = dir
	cmd.SysProcAttr = detached(nil)
	c, err := startChild(cmd, filepath.Join(dir, "pgjanus.log"))
	if err != nil {
		return nil, err
	}
	j := &janus{child: c, port: port, admin: "http://" + address(admin)}
	if err := c.await(ctx, j.ready); err != nil {
		c.stop()
		return nil, err
	}
	return j, nil
}

// configureJanus writes both files and returns the settings file and the ports.
func configureJanus(dir, control string, upstream int, rules []byte) (config string, port, admin int, err error) {
	port, errP := freePort()
	admin, errA := freePort()
	if err := errors.Join(errP, errA); err != nil {
		return "", 0, 0, err
	}
	config, rulesFile := filepath.Join(dir, "pgjanus.yaml"), filepath.Join(dir, "rules.yaml")
	settings := fmt.Appendf(nil, janusConfig, address(port), address(upstream), control, rulesFile, address(admin))
	err = errors.Join(os.WriteFile(config, settings, 0o600), os.WriteFile(rulesFile, rules, 0o600))
	if err != nil {
		return "", 0, 0, fmt.Errorf("configuring pgjanus: %w", err)
	}
	return config, port, admin, nil
}

// ready asks whether pgjanus would let sessions in, and says why not.
func (j *janus) ready(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, j.admin+"/readyz", http.NoBody)
	if err != nil {
		return fmt.Errorf("asking pgjanus: %w", err)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return fmt.Errorf("asking pgjanus: %w", err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("reading the answer of pgjanus: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("asking pgjanus whether it is ready: %s: %s", res.Status, strings.TrimSpace(string(body)))
	}
	return nil
}
