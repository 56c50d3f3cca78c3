package demo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// poll is how often the demo asks whether something has come about.
const poll = 50 * time.Millisecond

// status is the part of GET /api/status that the demo reads.
type status struct {
	Ready      bool     `json:"ready"`
	Problems   []string `json:"problems"`
	Epoch      uint64   `json:"epoch"`
	Migrations []struct {
		Name    string `json:"name"`
		Phase   string `json:"phase"`
		Settled bool   `json:"settled"`
	} `json:"migrations"`
}

// adminClient speaks to the admin API of the running pgjanus.
type adminClient struct {
	base string // http://host:port
	http *http.Client
}

func newAdminClient(addr string) *adminClient {
	return &adminClient{base: "http://" + addr, http: &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{}}}
}

// request returns the status code and the body of an answer.
func (a *adminClient) request(ctx context.Context, method, path string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("asking the admin API: %w", err)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("asking the admin API: %w", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return 0, nil, fmt.Errorf("reading the answer of the admin API: %w", err)
	}
	return resp.StatusCode, body, nil
}

func (a *adminClient) status(ctx context.Context) (status, error) {
	var s status
	code, body, err := a.request(ctx, http.MethodGet, "/api/status")
	if err != nil {
		return s, err
	}
	if code != http.StatusOK {
		return s, fmt.Errorf("GET /api/status answered %d: %s", code, strings.TrimSpace(string(body)))
	}
	if err := json.Unmarshal(body, &s); err != nil {
		return s, fmt.Errorf("reading the answer of /api/status: %w", err)
	}
	return s, nil
}

// reload posts /api/reload; problems is what it was refused for.
func (a *adminClient) reload(ctx context.Context) (problems []string, err error) {
	code, body, err := a.request(ctx, http.MethodPost, "/api/reload")
	if err != nil {
		return nil, err
	}
	var answer struct {
		Problems []string `json:"problems"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("reading the answer of /api/reload (%d): %w", code, err)
	}
	if code != http.StatusOK && len(answer.Problems) == 0 {
		return nil, fmt.Errorf("POST /api/reload answered %d: %s", code, strings.TrimSpace(string(body)))
	}
	return answer.Problems, nil
}

// waitReady polls /readyz; gone ends the wait when the process ends.
func (a *adminClient) waitReady(ctx context.Context, gone <-chan struct{}) error {
	last := "no answer yet"
	return waitFor(ctx, gone, "pgjanus to be ready", func() (bool, string) {
		code, body, err := a.request(ctx, http.MethodGet, "/readyz")
		if err == nil {
			last = strings.TrimSpace(string(body))
		}
		return err == nil && code == http.StatusOK, last
	})
}

// waitSettled polls until the migration is in the phase and no transaction
// begun before it was is still open.
func (a *adminClient) waitSettled(ctx context.Context, gone <-chan struct{}, migration, phase string) error {
	return waitFor(ctx, gone, migration+" to be settled in "+phase, func() (bool, string) {
		s, err := a.status(ctx)
		if err != nil {
			return false, err.Error()
		}
		for _, m := range s.Migrations {
			if m.Name == migration {
				return m.Phase == phase && m.Settled,
					fmt.Sprintf("phase %s, settled %v, problems: %s", m.Phase, m.Settled, strings.Join(s.Problems, "; "))
			}
		}
		return false, "pgjanus does not know it"
	})
}

// waitFor polls until reached says so, for at most a minute; its second answer
// says how things stand.
func waitFor(ctx context.Context, gone <-chan struct{}, what string, reached func() (bool, string)) error {
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		ok, state := reached()
		if ok {
			return nil
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-gone:
			return errors.New("waiting for " + what + ": pgjanus has ended")
		case <-limit.C:
			return fmt.Errorf("waiting for %s: not within a minute; last: %s", what, state)
		case <-tick.C:
		}
	}
}
