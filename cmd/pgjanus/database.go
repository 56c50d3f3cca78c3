package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/config"
	"github.com/pgjanus/pgjanus/internal/live"
	"github.com/pgjanus/pgjanus/migrate"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

const (
	connectTimeout = 10 * time.Second
	byeTimeout     = 2 * time.Second
)

// connect opens a connection of the verb's own to the migrated database; call
// the returned function to close it.
func connect(ctx context.Context, settings *config.Settings, verb string) (*pgx.Conn, func(), error) {
	c, err := live.Configure(settings.Control)
	if err != nil {
		return nil, nil, err
	}
	c.RuntimeParams["application_name"] = "pgjanus " + verb
	if c.ConnectTimeout == 0 {
		c.ConnectTimeout = connectTimeout
	}
	conn, err := pgx.ConnectConfig(ctx, c)
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to the database of the setting control: %w", err)
	}
	bye := func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), byeTimeout)
		defer cancel()
		_ = conn.Close(ctx) // the verb is over
	}
	return conn, bye, nil
}

// plan compiles the rules file against the database as it is now.
func plan(ctx context.Context, conn *pgx.Conn, settings *config.Settings) (*rewrite.Planner, error) {
	set, err := rules.Load(settings.Rules)
	if err != nil {
		return nil, err
	}
	return migrate.Load(ctx, conn, set, 1)
}

// find returns the migration of that name, or says which there are.
func find(set *rules.Set, name string) (*rules.Migration, error) {
	if m := set.Find(name); m != nil {
		return m, nil
	}
	if len(set.Migrations) == 0 {
		return nil, fmt.Errorf("%s has no migration", set.File)
	}
	names := make([]string, len(set.Migrations))
	for i := range set.Migrations {
		names[i] = set.Migrations[i].Name
	}
	return nil, fmt.Errorf("%s has no migration %q; it has %s", set.File, name, strings.Join(names, ", "))
}
