package demo

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/internal/pgserver"
)

const (
	// database is the one that is migrated.
	database = "pgjanus_demo"
	// directDatabase is a copy of it before the migrations, for comparison.
	directDatabase = "pgjanus_demo_direct"
)

// host is the Postgres server of the demo: its own, or databases of its own on
// someone else's.
type host struct {
	dsn     string // of the server
	own     *pgserver.Server
	created []string // databases, to be dropped from someone else's server
}

// openHost starts a throw-away server, or checks that the databases of the
// demo are not there yet on the given one.
func openHost(ctx context.Context, dsn string) (*host, error) {
	if dsn == "" {
		own, err := pgserver.Start(ctx, pgserver.Options{Settings: map[string]string{
			"shared_buffers": "256MB", "max_wal_size": "4GB", "checkpoint_timeout": "15min", "deadlock_timeout": "200ms",
		}})
		if err != nil {
			return nil, fmt.Errorf("starting a throw-away Postgres: %w", err)
		}
		return &host{dsn: own.DSN("postgres"), own: own}, nil
	}
	h := &host{dsn: dsn}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("connecting to the server of PGJANUS_DEMO_DSN: %w", err)
	}
	defer closeConn(ctx, conn)
	var there []string
	if err := conn.QueryRow(ctx, `SELECT coalesce(array_agg(datname::text ORDER BY datname), '{}') FROM pg_database WHERE datname = ANY ($1)`,
		[]string{database, directDatabase}).Scan(&there); err != nil {
		return nil, fmt.Errorf("looking for databases of an earlier demo: %w", err)
	}
	if len(there) > 0 {
		return nil, fmt.Errorf("database %s exists on that server: the demo only works in databases it has created itself; drop it if it is left from an earlier demo", strings.Join(there, " and "))
	}
	return h, nil
}

// create makes the database of the demo.
func (h *host) create(ctx context.Context) error {
	return h.exec(ctx, database, `CREATE DATABASE `+pgx.Identifier{database}.Sanitize())
}

// clone copies the database of the demo, to which nobody may be connected.
func (h *host) clone(ctx context.Context) error {
	sql := `CREATE DATABASE ` + pgx.Identifier{directDatabase}.Sanitize() + ` TEMPLATE ` + pgx.Identifier{database}.Sanitize()
	conn, err := pgx.Connect(ctx, h.dsn)
	if err != nil {
		return fmt.Errorf("connecting to copy the database: %w", err)
	}
	defer closeConn(ctx, conn)
	var version int
	if err := conn.QueryRow(ctx, `SELECT current_setting('server_version_num')::int`).Scan(&version); err != nil {
		return fmt.Errorf("reading the server's version: %w", err)
	}
	if version >= 150000 {
		sql += ` STRATEGY FILE_COPY`
	}
	return h.exec(ctx, directDatabase, sql)
}

func (h *host) exec(ctx context.Context, name, sql string) error {
	conn, err := pgx.Connect(ctx, h.dsn)
	if err != nil {
		return fmt.Errorf("connecting to make database %s: %w", name, err)
	}
	defer closeConn(ctx, conn)
	if _, err := conn.Exec(ctx, sql); err != nil {
		return fmt.Errorf("making database %s: %w", name, err)
	}
	h.created = append(h.created, name)
	return nil
}

// close stops the server, or drops the databases from someone else's.
func (h *host) close() error {
	if h.own != nil {
		return h.own.Stop()
	}
	if len(h.created) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	conn, err := pgx.Connect(ctx, h.dsn)
	if err != nil {
		return fmt.Errorf("connecting to drop the databases of the demo: %w", err)
	}
	defer closeConn(ctx, conn)
	var errs []error
	for _, name := range h.created {
		if _, err := conn.Exec(ctx, `DROP DATABASE IF EXISTS `+pgx.Identifier{name}.Sanitize()+` WITH (FORCE)`); err != nil {
			errs = append(errs, fmt.Errorf("dropping database %s: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// address returns a connection string of a database on the server.
func (h *host) address(name string) (string, error) {
	if !strings.HasPrefix(h.dsn, "postgres://") && !strings.HasPrefix(h.dsn, "postgresql://") {
		return h.dsn + " dbname=" + name, nil // the last of two settings counts
	}
	u, err := url.Parse(h.dsn)
	if err != nil {
		return "", fmt.Errorf("reading the address of the server: %w", errors.Unwrap(err)) // not the URL: it may hold a password
	}
	u.Path = "/" + name
	q := u.Query()
	q.Del("dbname")
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// connect opens a connection to a database, past pgjanus.
func (h *host) connect(ctx context.Context, name string) (*pgx.Conn, error) {
	dsn, err := h.address(name)
	if err != nil {
		return nil, err
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, fmt.Errorf("connecting to database %s: %w", name, err)
	}
	return conn, nil
}

// upstream returns the server's address as pgjanus.yaml wants it.
func upstream(cfg *pgx.ConnConfig) string {
	port := strconv.Itoa(int(cfg.Port))
	if strings.HasPrefix(cfg.Host, "/") {
		return filepath.Join(cfg.Host, ".s.PGSQL."+port)
	}
	return net.JoinHostPort(cfg.Host, port)
}

// closeConn closes a connection whose answers are all in.
func closeConn(ctx context.Context, conn *pgx.Conn) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	_ = conn.Close(ctx)
}
