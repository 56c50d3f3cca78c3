// Package migrate is what runs against the migrated database itself: the state
// in its schema pgjanus, the backfill of history, and the comparison of the
// two shapes.
//
// The state is one row a migration in pgjanus.migration and one sequence that
// counts backfill batches. [Install] and [Enact] write it when rules take
// effect; [Backfill] keeps its checkpoint there, so that a backfill that was
// killed goes on where it stood. [Load] makes the planner for a set of rules.
//
// The package never waits for the lock of an old row while it holds another
// one, never takes a lock on a table that writers wait for (but to make or
// remove the triggers of a guard), never changes an old shape, and never decides
// a phase.
// [Verify] writes nothing at all and shares no SQL with what it checks,
// but for how two values are compared (rewrite/sameness.go).
//
// Start reading at backfill.go, then batch.go for the order of steps that its
// safety rests on. The other half of that argument is the guard in
// rewrite/sync_guard.go.
package migrate
