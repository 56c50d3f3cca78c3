package main

import (
	"strings"
	"testing"

	"github.com/pgjanus/pgjanus/internal/pgserver"
)

// The figures are worth nothing when the work was not done.
func TestVerifyCatchesAShapeLeftBehind(t *testing.T) {
	server, err := pgserver.Start(t.Context(), pgserver.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{server: server}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := s.createDatabase(t.Context(), appDB); err != nil {
		t.Fatal(err)
	}

	for work, write := range map[string]string{
		"update": "UPDATE orders SET items = '[]' WHERE id IN (1, 2)",
		"insert": `INSERT INTO orders (items) SELECT '[{"sku": "a", "qty": 1, "price_cents": 1}]' FROM generate_series(1, 2)`,
		"status": "UPDATE users SET is_active = NOT is_active WHERE id IN (1, 2)",
	} {
		g := &group{Table: dualWrite, Work: work, Protocol: "simple", Clients: 4}
		v := &variant{Name: byApp, Route: direct, Database: appDB}
		if err := s.prepare(t.Context(), g, v); err != nil {
			t.Fatal(err)
		}
		if err := s.verify(t.Context(), g, v); err != nil {
			t.Errorf("%s: freshly prepared: %v", work, err)
		}
		if err := s.exec(t.Context(), appDB, write); err != nil {
			t.Fatal(err)
		}
		if err := s.verify(t.Context(), g, v); err == nil || !strings.Contains(err.Error(), "2 keys") {
			t.Errorf("%s: two keys have drifted, but verify says %v", work, err)
		}
	}
}
