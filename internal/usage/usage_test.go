package usage

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/goleak"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/internal/pgtest"
	"github.com/pgjanus/pgjanus/rewrite"
	"github.com/pgjanus/pgjanus/rules"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bench is a table with a clock of its own, and the planner in force.
type bench struct {
	*Table
	t       testing.TB
	planner *rewrite.Planner
	clock   time.Time
	reg     *prometheus.Registry
}

func newBench(t testing.TB, opt Options) *bench {
	t.Helper()
	b := &bench{t: t, clock: time.Date(2024, 5, 6, 7, 8, 9, 0, time.UTC), reg: prometheus.NewRegistry()}
	opt.now, opt.Metrics = func() time.Time { return b.clock }, NewMetrics(b.reg)
	b.Table = New(opt)
	b.rules("off", 1, nil)
	return b
}

func (b *bench) rules(phase string, epoch uint64, change func(*catalog.Snapshot)) {
	b.t.Helper()
	data, err := os.ReadFile("../../rewrite/testdata/catalog.json")
	if err != nil {
		b.t.Fatal(err)
	}
	var snap catalog.Snapshot
	if err := json.Unmarshal(data, &snap); err != nil {
		b.t.Fatal(err)
	}
	if change != nil {
		change(&snap)
	}
	set, err := rules.Parse("rules.yaml", []byte(pgtest.CanonRules(phase)))
	if err != nil {
		b.t.Fatal(err)
	}
	if b.planner, err = rewrite.Compile(set, &snap, epoch); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) execute(text, application string) {
	b.Saw(b.planner, b.planner.Plan([]byte(text), rewrite.Env{}), &Client{Application: application, User: "me"}, Executed)
}

func (b *bench) wantCounts(migration, want string) {
	b.t.Helper()
	var got []string
	for _, s := range b.Report(migration).Statements {
		got = append(got, fmt.Sprintf("%s %s %d", s.Outcome, s.Kind, s.Count))
	}
	if strings.Join(got, ", ") != want {
		b.t.Errorf("got %v, want %s", got, want)
	}
}

func (b *bench) wantMetric(line string) {
	b.t.Helper()
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(b.reg, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	if !strings.Contains(answer.Body.String(), "\n"+line+"\n") {
		b.t.Errorf("no line %s in\n%s", line, answer.Body)
	}
}

func TestARefusedKindIsToldWhileTheWindowIsOpen(t *testing.T) {
	b := newBench(t, Options{Window: 10 * time.Minute})
	b.execute("MERGE INTO orders USING t ON orders.id = t.id WHEN MATCHED THEN DELETE", "a")
	b.execute("MERGE INTO orders USING t ON orders.note = t.note WHEN MATCHED THEN DELETE", "a")
	b.execute("SELECT * FROM orders", "a")
	refused := b.Refused("order-items")
	if len(refused) != 1 || refused[0].Kind != "MERGE" || refused[0].Count != 2 || !strings.HasPrefix(refused[0].Reason, "MERGE to public.orders ") {
		t.Errorf("refused %+v", refused)
	}
	if other := b.Refused("user-status"); len(other) != 0 {
		t.Errorf("refused of another migration %+v", other)
	}
	b.clock = b.clock.Add(11 * time.Minute)
	if refused := b.Refused("order-items"); len(refused) != 0 {
		t.Errorf("refused %+v", refused)
	}
	b.wantCounts("order-items", "refuse MERGE 1, refuse MERGE 1, pass SELECT 1")
}

func TestALaterEpochTakesThePlaceOfWhatAnEarlierOneSaid(t *testing.T) {
	b := newBench(t, Options{})
	b.execute("UPDATE orders SET id = 1", "a")
	b.wantCounts("order-items", "refuse UPDATE 1")
	b.rules("off", 2, func(s *catalog.Snapshot) {
		s.Tables[catalog.Name{Schema: "public", Name: "order_items"}].ForeignKeys[0].OnUpdate = 'c'
	})
	b.wantCounts("order-items", "refuse UPDATE 1")
	b.execute("UPDATE orders SET id = 2", "a")
	b.wantCounts("order-items", "rewrite UPDATE 1")
	if refused := b.Refused("order-items"); len(refused) != 0 {
		t.Errorf("refused %+v", refused)
	}
}

func TestWhatIsForecastIsToldFromWhatHappened(t *testing.T) {
	b := newBench(t, Options{})
	b.execute("UPDATE users SET is_active = true", "a")
	b.rules("dualwrite", 2, nil)
	b.execute("UPDATE users SET is_active = false", "a")
	statements := b.Report("user-status").Statements
	if len(statements) != 2 || statements[0].Forecast == statements[1].Forecast {
		t.Errorf("statements %+v", statements)
	}
	b.wantMetric(`pgjanus_forecast_total{kind="UPDATE",migration="user-status",outcome="rewrite"} 1`)
}

func TestTheTableIsBoundedAndRefusedOnesStayLongest(t *testing.T) {
	const limit = 32
	b := newBench(t, Options{Entries: limit})
	b.execute("MERGE INTO users USING t ON users.id = t.id WHEN MATCHED THEN DELETE", "a")
	for i := range 10 * limit {
		b.clock = b.clock.Add(time.Second)
		b.execute(fmt.Sprintf("SELECT c%d FROM users", i), "a")
	}
	r := b.Report("")
	if n := len(r.Statements); n > limit || n < limit/2 || r.Statements[0].Kind != "MERGE" {
		t.Errorf("%d statements, the first is %+v", n, r.Statements[0])
	}
	if int(r.Evicted)+len(r.Statements) != 10*limit+1 {
		t.Errorf("%d evicted, %d there", r.Evicted, len(r.Statements))
	}
	b.wantMetric(fmt.Sprintf("pgjanus_usage_evicted_total %d", r.Evicted))
	if newest := r.Statements[1].Text; newest != fmt.Sprintf("SELECT c%d FROM users", 10*limit-1) {
		t.Errorf("the newest is %s", newest)
	}
}

func TestRefusedOnesThatMadeRoomAreStillTold(t *testing.T) {
	b := newBench(t, Options{Entries: 4, Window: time.Minute})
	for i := range 9 {
		b.execute(fmt.Sprintf("MERGE INTO users USING t ON users.id = c%d WHEN MATCHED THEN DELETE", i), "a")
	}
	var count uint64
	for _, r := range b.Refused("user-status") {
		count += r.Count
	}
	if count != 9 {
		t.Errorf("%d refused are told, want 9", count)
	}
}

func TestAKnownStatementThatMadeRoomIsBackWhenItIsExecuted(t *testing.T) {
	b := newBench(t, Options{Entries: 4})
	b.execute("SELECT id FROM users", "a")
	b.settle()
	for i := range 8 {
		b.clock = b.clock.Add(time.Second)
		b.execute(fmt.Sprintf("SELECT c%d FROM users", i), "a")
	}
	b.settle()
	b.clock = b.clock.Add(time.Second)
	b.execute("SELECT id FROM users", "a")
	b.execute("SELECT id FROM users", "a")
	if s := b.Report("").Statements[0]; s.Text != "SELECT id FROM users" || s.Count != 2 {
		t.Errorf("the newest is %+v", s)
	}
}

func TestClientsBeyondALimitAreCountedTogether(t *testing.T) {
	b := newBench(t, Options{})
	for i := range 3 * entryClients {
		b.execute("SELECT id FROM users", fmt.Sprintf("worker %d", i))
		b.execute("SELECT id FROM users", "worker 0")
	}
	s := b.Report("").Statements[0]
	if len(s.Clients) != entryClients || s.OtherClients != 2*entryClients || s.Count != 6*entryClients {
		t.Errorf("%d clients, %d others, %d in all", len(s.Clients), s.OtherClients, s.Count)
	}
	if first := s.Clients[0]; first.Application != "worker 0" || first.Count != 3*entryClients+1 {
		t.Errorf("the first client is %+v", first)
	}
}

func TestAFullQueueLosesNothing(t *testing.T) {
	b := newBench(t, Options{Entries: 10 * queueJobs})
	for i := range 2 * queueJobs {
		b.execute(fmt.Sprintf("SELECT c%d FROM users", i), "a")
	}
	if n := len(b.Report("").Statements); n != 2*queueJobs {
		t.Errorf("%d statements, want %d", n, 2*queueJobs)
	}
}

func TestConcurrentSessionsAreAllCounted(t *testing.T) {
	const sessions, rounds, texts = 8, 500, 20
	b := newBench(t, Options{})
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- b.Serve(ctx) }()
	var running sync.WaitGroup
	for session := range sessions {
		running.Add(1)
		go func() {
			defer running.Done()
			for i := range rounds {
				b.execute(fmt.Sprintf("UPDATE users SET is_active = true, c%d = %d", i%texts, i), fmt.Sprintf("app %d", session%3))
				if i%100 == 0 {
					b.Report("")
				}
			}
		}()
	}
	running.Wait()
	var total uint64
	statements := b.Report("user-status").Statements
	for _, s := range statements {
		total += s.Count
	}
	if len(statements) != texts || total != sessions*rounds {
		t.Errorf("%d statements, %d executions", len(statements), total)
	}
	cancel()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

func TestNoTableRemembersNothing(t *testing.T) {
	b := newBench(t, Options{})
	var none *Table
	none.Saw(b.planner, b.planner.Plan([]byte("SELECT 1 FROM users"), rewrite.Env{}), &Client{}, Executed)
	if r := none.Report(""); len(r.Statements) != 0 || len(none.Refused("")) != 0 {
		t.Errorf("report %+v", r)
	}
}

func TestAPanicHurtsNobody(t *testing.T) {
	b := newBench(t, Options{})
	plan := b.planner.Plan([]byte("SELECT 1 FROM users"), rewrite.Env{})
	b.Saw(&rewrite.Planner{}, plan, &Client{}, Executed)
	b.Saw(nil, b.planner.Plan([]byte("SELECT 2 FROM users"), rewrite.Env{}), &Client{}, Prepared)
	b.settle()
	b.execute("SELECT id FROM users", "a")
	b.wantCounts("", "pass SELECT 1")
}
