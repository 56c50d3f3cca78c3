package demo

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// prepareHost makes the world as it is before pgjanus comes.
func (d *demo) prepareHost(ctx context.Context) (err error) {
	if d.opts.DSN == "" {
		d.story.say("Starting a throw-away Postgres")
	} else {
		d.story.say("Using the server of PGJANUS_DEMO_DSN, in databases %s and %s", database, directDatabase)
	}
	if d.host, err = openHost(ctx, d.opts.DSN); err != nil {
		return err
	}
	if err := d.host.create(ctx); err != nil {
		return err
	}
	conn, err := d.host.connect(ctx, database)
	if err != nil {
		return err
	}
	s := d.opts.Scale
	d.story.say("Filling orders (47 columns, %s rows), users (%s) and counters (%s, the last id is %s)",
		thousands(int64(s.Orders)), thousands(int64(s.Users)), thousands(int64(s.Counters)), thousands(lastCounter))
	err = createTables(ctx, conn, s)
	closeConn(ctx, conn) // a database that is copied must have no connections
	if err != nil {
		return err
	}
	if err := d.host.clone(ctx); err != nil {
		return err
	}
	d.direct, err = d.host.connect(ctx, database)
	return err
}

// startJanus writes both files, every migration off, and runs pgjanus serve.
func (d *demo) startJanus(ctx context.Context) error {
	control, err := d.host.address(database)
	if err != nil {
		return err
	}
	listen, err := freeAddress(ctx, 6432)
	if err != nil {
		return err
	}
	admin, err := freeAddress(ctx, 6480)
	if err != nil {
		return err
	}
	cfg := settings{listen: listen, admin: admin, control: control, upstream: upstream(d.direct.Config())}
	if err := replaceFile(d.config(), cfg.text()); err != nil {
		return err
	}
	d.phases = allOff()
	if err := replaceFile(d.rules(), rulesText(d.phases)); err != nil {
		return err
	}
	if d.serve, err = startChild(d.opts.Binary, filepath.Join(d.dir, "pgjanus.log"), "serve", "--config", d.config()); err != nil {
		return err
	}
	d.watch.Add(1)
	go d.watchServe()
	d.admin = newAdminClient(admin)
	if err := d.admin.waitReady(ctx, d.serve.done); err != nil {
		return err
	}
	d.proxy = throughProxy(d.direct.Config(), listen)
	d.story.say("pgjanus serves %s, its admin API is http://%s; every migration is off", listen, admin)
	return nil
}

// watchServe gives the run up when pgjanus ends.
func (d *demo) watchServe() {
	defer d.watch.Done()
	<-d.serve.done
	d.giveUp()
}

func (d *demo) config() string { return filepath.Join(d.dir, "pgjanus.yaml") }
func (d *demo) rules() string  { return filepath.Join(d.dir, "rules.yaml") }

// throughProxy is all an application changes: where it connects to.
func throughProxy(direct *pgx.ConnConfig, listen string) *pgx.ConnConfig {
	cfg := direct.Copy()
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		panic("BUG: not an address: " + listen)
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		panic("BUG: not a port: " + port)
	}
	cfg.Host, cfg.Port, cfg.TLSConfig, cfg.Fallbacks = host, uint16(n), nil, nil
	return cfg
}

// freeAddress returns the wanted port of the loopback, or else a free one.
func freeAddress(ctx context.Context, wanted int) (string, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", wanted))
	if err != nil {
		if l, err = lc.Listen(ctx, "tcp", "127.0.0.1:0"); err != nil {
			return "", fmt.Errorf("looking for a free port: %w", err)
		}
	}
	addr := l.Addr().String()
	if err := l.Close(); err != nil {
		return "", fmt.Errorf("looking for a free port: %w", err)
	}
	return addr, nil
}
