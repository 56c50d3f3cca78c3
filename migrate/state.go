package migrate

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

// state is a migration's row in pgjanus.migration, with its sequence.
type state struct {
	phase         string
	generation    int64
	definition    string
	cursor        []string // nil: nothing is filled
	batch         int64
	aheadBatch    int64
	filled        int64
	runGeneration int64
	runDefinition string
	complete      bool
	counted       int64 // the sequence
}

// valid reports whether the checkpoint is of the time since the migration was
// last off or defined otherwise.
func (s *state) valid() bool {
	return s.runGeneration == s.generation && s.runDefinition == s.definition
}

// last is the highest number that any batch may have used.
func (s *state) last() int64 { return max(s.batch, s.aheadBatch, s.counted) }

// nextRun is the number before the first batch of a new run. Every snapshot
// that does not see the new run is stale for all keys; see rewrite/sync.go.
func (s *state) nextRun() int64 { return (s.last()>>runShift + 1) << runShift }

const runShift = 32

// queryer is a connection or a transaction.
type queryer interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
	QueryRow(ctx context.Context, sql string, args ...any) pgx.Row
}

// readState reads the state of an active migration.
func readState(ctx context.Context, q queryer, m *rules.Migration) (*state, error) {
	s, err := scanState(ctx, q, m.Name)
	switch {
	case errors.Is(err, pgx.ErrNoRows), code(err) == undefinedTable:
		return nil, notRecorded(m.Name)
	case err != nil:
		return nil, fmt.Errorf("reading the state of %s: %w", m.Name, err)
	case s.phase == rules.Off.String():
		return nil, fmt.Errorf("migration %s is in phase off: set it to dualwrite and let pgjanus serve load the rules", m.Name)
	case s.definition != m.Definition():
		return nil, fmt.Errorf("migration %s is defined otherwise in the rules that pgjanus serve has loaded: reload them, or use the same file here", m.Name)
	}
	return s, nil
}

func scanState(ctx context.Context, q queryer, name string) (*state, error) {
	var s state
	err := q.QueryRow(ctx, `SELECT m.phase, m.generation, m.definition, m.cursor_key, m.batch, m.ahead_batch, m.filled,
		coalesce(m.run_generation, 0), coalesce(m.run_definition, ''), m.complete, n.last_value
		FROM pgjanus.migration m, `+rewrite.FillSequence(name)+` n WHERE m.name = $1`, name).
		Scan(&s.phase, &s.generation, &s.definition, &s.cursor, &s.batch, &s.aheadBatch, &s.filled,
			&s.runGeneration, &s.runDefinition, &s.complete, &s.counted)
	if err != nil {
		return nil, err
	}
	return &s, nil
}

// settle says in the state that every batch counted so far is over: committed
// or rolled back. Whoever sees that row sees all that they filled, so that no
// snapshot taken from now on is stale for them. The caller holds the fill lock,
// hence no batch is under way.
func settle(ctx context.Context, tx pgx.Tx, name string) error {
	s, err := scanState(ctx, tx, name)
	if err != nil {
		return err
	}
	v := s.last()
	if v == s.batch && v == s.aheadBatch && v == s.counted {
		return nil
	}
	_, err = tx.Exec(ctx, `UPDATE pgjanus.migration SET batch = $2, ahead_batch = $2, ahead_key = NULL, updated_at = pg_catalog.now() WHERE name = $1`, name, v)
	if err != nil || s.counted == v {
		return err
	}
	return count(ctx, tx, name, v)
}

// count sets the sequence. That is seen by everyone at once, whatever their
// snapshot, and is not rolled back.
func count(ctx context.Context, q queryer, name string, v int64) error {
	return q.QueryRow(ctx, `SELECT pg_catalog.setval($1::text::regclass, $2)`, rewrite.FillSequence(name), v).Scan(nil)
}

func notRecorded(name string) error {
	return fmt.Errorf("migration %s is not recorded in this database: let pgjanus serve load the rules first", name)
}
