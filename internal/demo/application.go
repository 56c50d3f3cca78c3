package demo

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
)

// dialect is how a connection of the application speaks to the server.
type dialect struct {
	name  string
	mode  pgx.QueryExecMode
	batch bool // several statements pipelined behind one Sync
}

// dialects is one entry per connection: simple and prepared statements in
// equal parts, one that parses anew every time, one that pipelines.
var dialects = []dialect{
	{name: "simple-1", mode: pgx.QueryExecModeSimpleProtocol},
	{name: "simple-2", mode: pgx.QueryExecModeSimpleProtocol},
	{name: "simple-3", mode: pgx.QueryExecModeSimpleProtocol},
	{name: "simple-4", mode: pgx.QueryExecModeSimpleProtocol},
	{name: "prepared-1", mode: pgx.QueryExecModeCacheStatement},
	{name: "prepared-2", mode: pgx.QueryExecModeCacheStatement},
	{name: "prepared-3", mode: pgx.QueryExecModeCacheStatement},
	{name: "prepared-4", mode: pgx.QueryExecModeCacheStatement},
	{name: "unnamed-1", mode: pgx.QueryExecModeExec},
	{name: "pipeline-1", mode: pgx.QueryExecModeCacheStatement, batch: true},
}

// world is what the connections of one application share: how many rows
// there were at the start, and the ledger of what they all did together.
type world struct {
	scale Scale
	// hotCounts is the number of committed increments of the hot counters.
	hotCounts atomic.Int64
	serial    atomic.Int64 // distinguishes order numbers and addresses
}

// application is the old-shape application: one connection per dialect, which
// work between Start and Stop.
type application struct {
	world   *world
	tally   *tally
	clients []*client
	stop    chan struct{} // closed by Stop; nil while nothing works
	wg      sync.WaitGroup
}

// request is one thing the application does, and how often.
type request struct {
	name   string
	weight int
	// steady requests are single statements on rows nobody else wants; the
	// latency of the two paths is compared on these.
	steady bool
	run    func(context.Context, *client) error
}

// connectApplication opens the connections. The caller must close it.
func connectApplication(ctx context.Context, cfg *pgx.ConnConfig, w *world, t *tally, requests []request) (*application, error) {
	app := &application{world: w, tally: t}
	for i, d := range dialects {
		c := newClient(i, d, cfg, w, t, requests)
		if err := c.connect(ctx); err != nil {
			app.close(ctx)
			return nil, fmt.Errorf("connecting the application: %w", err)
		}
		app.clients = append(app.clients, c)
	}
	return app, nil
}

// Start sets every connection to work until Stop or the end of ctx.
func (a *application) Start(ctx context.Context) {
	a.stop = make(chan struct{})
	for _, c := range a.clients {
		a.wg.Add(1)
		go a.work(ctx, c, a.stop)
	}
}

func (a *application) work(ctx context.Context, c *client, stop <-chan struct{}) {
	defer a.wg.Done()
	for {
		select {
		case <-stop:
			return
		case <-ctx.Done():
			return
		case <-time.After(c.think()):
		}
		c.next(ctx)
	}
}

// Stop lets every connection finish the request it is at and waits for that.
// The connections stay open.
func (a *application) Stop() {
	if a.stop != nil {
		close(a.stop)
		a.stop = nil
	}
	a.wg.Wait()
}

// close stops and closes the connections.
func (a *application) close(ctx context.Context) {
	a.Stop()
	for _, c := range a.clients {
		c.close(ctx)
	}
}

// audit compares everything the application remembers with what the server
// has; conn goes to the server directly. It returns the number of rows
// compared and a line for every row that is wrong.
func (a *application) audit(ctx context.Context, conn *pgx.Conn) (compared int, wrong []string, err error) {
	for _, c := range a.clients {
		n, lines, err := c.audit(ctx, conn)
		if err != nil {
			return compared, wrong, fmt.Errorf("auditing %s: %w", c.name, err)
		}
		compared += n
		wrong = append(wrong, lines...)
	}
	return compared, wrong, nil
}

// auditHot compares the sum of the hot counters, which began at 0, with the
// number of increments that were committed.
func (a *application) auditHot(ctx context.Context, conn *pgx.Conn) (wrong []string, err error) {
	var sum int64
	if err := conn.QueryRow(ctx, `SELECT sum(n) FROM counters WHERE id > $1 AND id <= $2`,
		lastCounter-hotRows, lastCounter).Scan(&sum); err != nil {
		return nil, fmt.Errorf("reading the hot counters: %w", err)
	}
	if want := a.world.hotCounts.Load(); sum != want {
		wrong = append(wrong, fmt.Sprintf("hot counters: %d increments were committed, the table has %d", want, sum))
	}
	return wrong, nil
}
