package admin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"

	"github.com/pgjanus/pgjanus/internal/live"
)

// answerLimit bounds what a client reads of an answer.
const answerLimit = 32 << 20

// ErrUnreachable says that nothing answers on the admin address.
var ErrUnreachable = errors.New("pgjanus serve does not answer")

// RejectedError is a reload that was refused.
type RejectedError struct{ Problems []string }

func (e *RejectedError) Error() string { return strings.Join(e.Problems, "\n") }

// Client speaks to the Server that listens on Address.
type Client struct {
	Address string       // admin.listen of the settings: host:port, the host may be empty
	HTTP    *http.Client // default: http.DefaultClient
}

// Status asks GET /api/status.
func (c *Client) Status(ctx context.Context) (*Status, error) {
	var s Status
	if _, err := c.ask(ctx, http.MethodGet, "/api/status", &s); err != nil {
		return nil, err
	}
	return &s, nil
}

// Statements asks GET /api/statements of a migration; "" means of all. A
// migration that there is not is a *RejectedError.
func (c *Client) Statements(ctx context.Context, migration string) (*Statements, error) {
	var body struct {
		Statements
		Rejected
	}
	code, err := c.ask(ctx, http.MethodGet, "/api/statements?migration="+url.QueryEscape(migration), &body)
	if err != nil {
		return nil, err
	}
	if code != http.StatusOK {
		return nil, &RejectedError{body.Problems}
	}
	return &body.Statements, nil
}

// Reload asks POST /api/reload. A refusal is a *RejectedError.
func (c *Client) Reload(ctx context.Context, strictness live.Strictness) (*Reloaded, error) {
	var body struct {
		Reloaded
		Rejected
	}
	query := map[live.Strictness]string{live.Strict: "?strict=true", live.Lenient: "?strict=false"}[strictness]
	code, err := c.ask(ctx, http.MethodPost, "/api/reload"+query, &body)
	if err != nil {
		return nil, err
	}
	if code != http.StatusOK {
		return nil, &RejectedError{body.Problems}
	}
	return &body.Reloaded, nil
}

// URL is where the Server is reached.
func (c *Client) URL() string {
	host, port, err := net.SplitHostPort(c.Address)
	if err != nil {
		return "http://" + c.Address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "http://" + net.JoinHostPort(host, port)
}

func (c *Client) ask(ctx context.Context, method, path string, into any) (int, error) {
	r, err := http.NewRequestWithContext(ctx, method, c.URL()+path, nil)
	if err != nil {
		return 0, fmt.Errorf("asking %s: %w", c.URL(), err)
	}
	client := c.HTTP
	if client == nil {
		client = http.DefaultClient
	}
	response, err := client.Do(r)
	if err != nil {
		return 0, fmt.Errorf("%w on %s: %w", ErrUnreachable, c.URL(), errors.Unwrap(err))
	}
	defer func() { _ = response.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(response.Body, answerLimit))
	if err != nil {
		return 0, fmt.Errorf("reading the answer of %s%s: %w", c.URL(), path, err)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return 0, fmt.Errorf("%s%s answered %s, which is not pgjanus speaking", c.URL(), path, response.Status)
	}
	return response.StatusCode, nil
}
