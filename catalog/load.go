package catalog

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// maxLooks is how often Load starts over when DDL runs underneath it.
const maxLooks = 5

// ErrChanging is returned when the relations changed during every look.
var ErrChanging = errors.New("the catalog kept changing while it was read; try again when the DDL is done")

// Load takes a snapshot of what req names. A requested table that does not
// exist is absent from Tables; an expression that Postgres refuses has its Err
// set; neither is an error of Load.
//
// conn must be idle and is left as found. Its role needs TEMPORARY on the
// database when there are expressions. Names in expressions that are not
// qualified mean what they mean under conn's search_path.
//
// Tables are read in one transaction and expressions resolved in another (a
// read-only one cannot create the views that takes); the fingerprint is
// compared across both, and Load starts over when it differs.
func Load(ctx context.Context, conn *pgx.Conn, req Request) (*Snapshot, error) {
	for range maxLooks {
		s, err := look(ctx, conn, req)
		if err != nil {
			return nil, fmt.Errorf("loading the catalog: %w", err)
		}
		now, err := Fingerprint(ctx, conn, req.Tables)
		if err != nil {
			return nil, fmt.Errorf("loading the catalog: %w", err)
		}
		if now == s.Fingerprint {
			return s, nil
		}
	}
	return nil, fmt.Errorf("loading the catalog: %w", ErrChanging)
}

func look(ctx context.Context, conn *pgx.Conn, req Request) (*Snapshot, error) {
	s := &Snapshot{
		Tables:    map[Name]*Table{},
		Views:     map[Name]*View{},
		Namesakes: map[string][]string{},
		Exprs:     map[string]Expr{},
	}
	opts := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
	err := rolledBack(ctx, conn, opts, func(tx pgx.Tx) error {
		if err := setLocal(ctx, tx, append(printing[:], lockTimeoutSetting())...); err != nil {
			return err
		}
		return s.read(ctx, tx, req)
	})
	if err != nil {
		return nil, err
	}
	if len(req.Exprs) == 0 {
		return s, nil
	}
	opts = pgx.TxOptions{IsoLevel: pgx.ReadCommitted, AccessMode: pgx.ReadWrite}
	err = rolledBack(ctx, conn, opts, func(tx pgx.Tx) error {
		return s.resolve(ctx, tx, req.Exprs)
	})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// read fills everything but Exprs.
func (s *Snapshot) read(ctx context.Context, tx pgx.Tx, req Request) error {
	var err error
	if s.Fingerprint, err = fingerprint(ctx, tx, req.Tables); err != nil {
		return err
	}
	err = tx.QueryRow(ctx, `SELECT current_database(), current_setting('server_version_num')::int, to_regprocedure('pgjanus.lastval()') IS NOT NULL`).
		Scan(&s.Database, &s.Version, &s.Lastval)
	if err != nil {
		return fmt.Errorf("reading the server's version: %w", err)
	}
	byOID, err := s.readTables(ctx, tx, req.Tables)
	if err != nil {
		return err
	}
	for _, step := range []func(context.Context, pgx.Tx, tablesByOID) error{
		readColumns, readKeys, readForeignKeys, readReferenced, readTriggers, readRules, readRelatives,
	} {
		if err := step(ctx, tx, byOID); err != nil {
			return err
		}
	}
	s.gatherFromPartitions()
	if err := s.readViews(ctx, tx); err != nil {
		return err
	}
	if err := s.readNamesakes(ctx, tx, req.Tables); err != nil {
		return err
	}
	return s.readGrants(ctx, tx, req.Grants)
}
