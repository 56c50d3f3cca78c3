package demo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

const (
	// hotRows is how many rows of each table all connections fight over.
	hotRows = 10
	// attempts is how often a request is tried when the server asks for it.
	attempts = 20
	// ownRows is how many rows of a table a connection keeps before it
	// prefers to delete.
	ownRows = 200
)

// errRollback makes a transaction roll back on purpose.
var errRollback = errors.New("rolled back on purpose")

// client is one connection of the application, with its memory of the rows
// that it alone writes. One goroutine uses it.
type client struct {
	name     string
	batch    bool
	cfg      *pgx.ConnConfig
	conn     *pgx.Conn
	rng      *rand.Rand
	world    *world
	tally    *tally
	requests []request
	weights  int

	orders   shelf[int64, []item]
	users    shelf[int32, bool]
	counters shelf[int32, int32]
}

func newClient(seed int, d dialect, cfg *pgx.ConnConfig, w *world, t *tally, requests []request) *client {
	cfg = cfg.Copy()
	cfg.DefaultQueryExecMode = d.mode
	cfg.RuntimeParams["application_name"] = "shop-" + d.name
	c := &client{
		name: d.name, batch: d.batch, cfg: cfg, world: w, tally: t, requests: requests,
		rng: rand.New(rand.NewPCG(uint64(seed), 47)), //nolint:gosec // a load generator wants repeatable dice
	}
	for _, r := range requests {
		c.weights += r.weight
	}
	return c
}

func (c *client) connect(ctx context.Context) error {
	conn, err := pgx.ConnectConfig(ctx, c.cfg)
	if err != nil {
		return err
	}
	c.conn = conn
	return nil
}

func (c *client) close(ctx context.Context) {
	if c.conn != nil {
		_ = c.conn.Close(ctx) // the answers are in; nothing hangs on the farewell
	}
}

// think returns how long the connection waits before its next request.
func (c *client) think() time.Duration {
	mean := int64(c.world.scale.Think)
	if mean <= 0 {
		return 0
	}
	return time.Duration(c.rng.Int64N(2 * mean))
}

// next runs one request, chosen by weight, retries it when the server asks
// for that, and counts how it ended.
func (c *client) next(ctx context.Context) {
	r := c.pick()
	for attempt := 1; ; attempt++ {
		start := time.Now()
		err := r.run(ctx, c)
		switch {
		case err == nil:
			c.tally.requests.Add(1)
			if r.steady {
				c.tally.took(time.Since(start))
			}
			return
		case ctx.Err() != nil:
			return // the demo is being ended; the request has no outcome
		case retryable(err) && attempt < attempts:
			c.tally.retries.Add(1)
			continue
		}
		c.tally.requests.Add(1)
		c.tally.fail(c.name+" "+r.name, err)
		c.forget()
		if c.conn.IsClosed() {
			if err := c.connect(ctx); err != nil && ctx.Err() == nil {
				c.tally.fail(c.name+" connect", err)
			}
		}
		return
	}
}

func (c *client) pick() request {
	n := c.rng.IntN(c.weights)
	for _, r := range c.requests {
		if n -= r.weight; n < 0 {
			return r
		}
	}
	panic("BUG: weights do not add up")
}

// forget drops the memory of all rows: after an unexpected error it is not
// known what the server has, and one error must not be counted again and again.
func (c *client) forget() {
	c.orders, c.users, c.counters = shelf[int64, []item]{}, shelf[int32, bool]{}, shelf[int32, int32]{}
}

// transaction runs fn inside BEGIN and COMMIT at an isolation level that the
// dice choose; errRollback from fn rolls back and is no error.
func (c *client) transaction(ctx context.Context, fn func(pgx.Tx) error) error {
	opts := pgx.TxOptions{}
	switch n := c.rng.IntN(10); {
	case n < 2:
		opts.IsoLevel = pgx.RepeatableRead
	case n < 3:
		opts.IsoLevel = pgx.Serializable
	}
	err := pgx.BeginTxFunc(ctx, c.conn, opts, fn)
	if errors.Is(err, errRollback) {
		return nil
	}
	return err
}

// number returns a text that no other row of the demo has.
func (c *client) number(prefix string) string {
	return fmt.Sprintf("%s-%s-%d", prefix, c.name, c.world.serial.Add(1))
}

// retryable reports serialization failures and deadlocks, after which the
// manual tells applications to try again.
func retryable(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}
