package pgtest

import (
	"context"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/pgjanus/pgjanus/internal/pgserver"
)

// Variable names the environment variable with the DSN of an existing server,
// whose user may create databases.
const Variable = "PGTEST_DSN"

// startLimit bounds the start of the cluster, on a slow and busy machine too.
const startLimit = 2 * time.Minute

// shared is the cluster of this test binary. The testing package calls each
// test with nothing but a T, so there is no other place to keep it.
var shared cluster

type cluster struct {
	once   sync.Once
	server *pgserver.Server // nil until asked for, and with PGTEST_DSN
	dsn    string           // of the maintenance database
	err    error
}

// address returns the DSN of the cluster's maintenance database; the first
// call starts the cluster.
func (c *cluster) address() (string, error) {
	c.once.Do(func() {
		if c.dsn = os.Getenv(Variable); c.dsn != "" {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), startLimit)
		defer cancel()
		if c.server, c.err = pgserver.Start(ctx, pgserver.Options{}); c.err == nil {
			c.dsn = c.server.DSN("postgres")
		}
	})
	return c.dsn, c.err
}

func (c *cluster) stop() error {
	if c.server == nil {
		return nil
	}
	return c.server.Stop()
}

// Main runs the tests, stops the cluster and, when all went well, looks for
// goroutines that were left behind. It returns the exit code for TestMain.
func Main(m *testing.M) int {
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the test cluster:", err)
		return max(code, 1)
	}
	if code != 0 {
		return code
	}
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "goroutines are left after the tests:", err)
		return 1
	}
	return 0
}

// IgnoreServer is for goleak checks within a test: the goroutine that waits
// for the shared cluster is no leak.
func IgnoreServer() goleak.Option {
	return goleak.IgnoreAnyFunction("github.com/pgjanus/pgjanus/internal/pgserver.(*process).supervise")
}
