package migrate

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

// Fired says, in one sentence, which triggers of the old table the backfill of a
// migration of kind columns fires, and what can be done; or it is empty.
func Fired(ctx context.Context, conn *pgx.Conn, m *rewrite.Migration) (string, error) {
	if m.Rule.Kind != rules.Columns {
		return "", nil
	}
	triggers, err := catalog.Fired(ctx, conn, m.Old.Name, m.Rule.New.Columns)
	if err != nil {
		return "", fmt.Errorf("migration %s: %w", m.Rule.Name, err)
	}
	if len(triggers) == 0 {
		return "", nil
	}
	return fmt.Sprintf("%s: the backfill updates each row of %s that differs, which may fire these triggers: %s (where that is too much, give one WHEN (current_setting('application_name') NOT LIKE '%s%%'), or UPDATE OF columns that are not new)",
		m.Rule.Name, m.Old.Name, strings.Join(triggers, ", "), backfillName), nil
}
