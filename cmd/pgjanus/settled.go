package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/pgjanus/pgjanus/admin"
	"github.com/pgjanus/pgjanus/config"
	"github.com/pgjanus/pgjanus/rules"
)

const (
	askTimeout = 10 * time.Second
	askEvery   = 200 * time.Millisecond
)

// adminClient reaches the serve that runs with the same settings.
func adminClient(settings *config.Settings) *admin.Client {
	return &admin.Client{Address: settings.Admin.Listen, HTTP: &http.Client{Timeout: askTimeout}}
}

// waitSettled waits until serve works under m's phase in every session. Before
// that, transactions are open that write the old shape alone, and a backfill
// would pass by the rows they write.
func waitSettled(ctx context.Context, settings *config.Settings, m *rules.Migration, waiting func(string)) error {
	if m.Phase == rules.Off {
		return fmt.Errorf("migration %q is off in %s, and a backfill without dual writes is out of date at once; set it to phase: dualwrite and reload first", m.Name, settings.Rules)
	}
	client := adminClient(settings)
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		status, err := client.Status(ctx)
		switch {
		case errors.Is(err, admin.ErrUnreachable):
			return fmt.Errorf("%w\nonly serve knows that every open transaction writes both shapes; start it with the same settings (pgjanus serve), or point admin.listen to where it runs", err)
		case err != nil:
			return err
		}
		reason, err := unsettled(status, m)
		if err != nil || reason == "" {
			return err
		}
		waiting(reason)
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s is settled: %w", m.Name, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// unsettled says what there is to wait for, or that waiting does not help.
func unsettled(status *admin.Status, m *rules.Migration) (string, error) {
	running := status.Find(m.Name)
	switch {
	case running != nil && running.Phase == m.Phase.String() && running.Settled:
		return "", nil
	case running != nil && running.Phase == m.Phase.String():
		return fmt.Sprintf("waiting until no transaction begun before phase %s is open", running.Phase), nil
	case len(status.Problems) > 0:
		return "", fmt.Errorf("serve does not run migration %q in phase %s, because:\n%s", m.Name, m.Phase, strings.Join(status.Problems, "\n"))
	}
	return fmt.Sprintf("waiting until serve has loaded phase %s", m.Phase), nil
}
