package live

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.uber.org/zap"

	"github.com/pgjanus/pgjanus/rules"
)

func TestPhasesAreRecordedBeforeAnySessionWorksUnderThem(t *testing.T) {
	b := start(t, inPhase("dualwrite"), nil)
	b.until("ready", ready)
	if got, want := b.seen(), "close compile enact:dualwrite use"; got != want {
		t.Errorf("events %q, want %q", got, want)
	}
}

func TestNothingIsRecordedWhileEveryPhaseHasAlwaysBeenOff(t *testing.T) {
	b := start(t, inPhase("off"), nil)
	b.until("ready", ready)
	if got, want := b.seen(), "close compile use"; got != want {
		t.Errorf("events %q, want %q", got, want)
	}
}

func TestReloadSaysWhatChangedAndCountsTheEpochUp(t *testing.T) {
	b := start(t, inPhase("off"), nil)
	b.until("ready", ready)
	b.write(inPhase("dualwrite"))
	b.until("followed", func(s State) bool { return s.Epoch == 2 })
	b.write(inPhase("off"))
	report, err := b.Reload(context.Background(), "test")
	if err != nil {
		t.Fatal(err)
	}
	if report.Epoch != 3 || strings.Join(report.Changes, "") != "user-status: phase dualwrite -> off" {
		t.Errorf("report %+v", report)
	}
	if since := b.State().Since["user-status"]; since != 3 {
		t.Errorf("the phase is said to be there since epoch %d, want 3", since)
	}
}

func TestAFileThatIsBeingWrittenIsNotLoadedHalf(t *testing.T) {
	b := &bench{t: t, fake: &fake{print: "1"}, file: filepath.Join(t.TempDir(), "rules.yaml")}
	b.write(inPhase("off"))
	l := New(Options{RulesFile: b.file, Use: b.use, dial: b.dial})
	ctx := context.Background()
	if _, err := l.load(ctx, "start"); err != nil {
		t.Fatal(err)
	}
	for _, half := range []string{"", "migrations: []\n", inPhase("off") + "#"} {
		b.write(half)
		old := time.Now().Add(-time.Hour) // as if its time had been read long after its content
		if err := os.Chtimes(b.file, old, old); err != nil {
			t.Fatal(err)
		}
		if again := l.fileMayHaveChanged(ctx); again == 0 || l.pending || len(l.running.set.Migrations) != 1 {
			t.Errorf("%q: looked at again in %v, problems %v, %d migrations", half, again, l.problems, len(l.running.set.Migrations))
		}
		b.write(inPhase("off"))
		if again := l.fileMayHaveChanged(ctx); again != 0 || l.running.epoch != 1 {
			t.Errorf("after %q: looked at again in %v, epoch %d", half, again, l.running.epoch)
		}
	}
	b.write(inPhase("dualwrite"))
	for again := settle; again > 0; again = l.fileMayHaveChanged(ctx) {
		time.Sleep(again)
	}
	if l.running.epoch != 2 || l.running.set.Migrations[0].Phase != rules.Dualwrite {
		t.Errorf("epoch %d, %v", l.running.epoch, l.running.set.Migrations[0].Phase)
	}
}

func TestTheSameContentIsNoNewEpoch(t *testing.T) {
	b := start(t, inPhase("off"), nil)
	b.until("ready", ready)
	report, err := b.Reload(context.Background(), "test")
	if err != nil || report.Epoch != 1 || len(report.Changes) != 0 {
		t.Errorf("report %+v, %v", report, err)
	}
	if n := b.logs.FilterMessage("rules loaded: no change").Len(); n != 1 {
		t.Errorf("%d lines say no change, want 1", n)
	}
}

// What was taken out of the database by hand, or left there by a backfill that was
// killed, is put right by a reload.
func TestTheSameContentIsEnactedAgainWhileItIsActive(t *testing.T) {
	b := start(t, inPhase("dualwrite"), nil)
	b.until("ready", ready)
	b.set(func(f *fake) { f.recorded, f.enacted = nil, 0 })
	if report, err := b.Reload(context.Background(), "test"); err != nil || len(report.Changes) != 0 {
		t.Errorf("report %+v, %v", report, err)
	}
	b.set(func(f *fake) {
		if f.enacted != 1 || f.recorded["user-status"] != rules.Dualwrite {
			t.Errorf("enacted %d times, recorded %v", f.enacted, f.recorded)
		}
	})
}

func TestABadFileLeavesTheLastGoodRulesAndIsToldOnce(t *testing.T) {
	b := start(t, inPhase("dualwrite"), nil)
	b.until("ready", ready)
	b.write(strings.Replace(inPhase("off"), "phase:", "phace:", 1))
	s := b.until("rejected", func(s State) bool { return len(s.Problems) > 0 })
	if !s.Ready || s.Epoch != 1 || !strings.HasPrefix(s.Problems[0], b.file+":3:5: ") {
		t.Errorf("state %+v", s)
	}
	_, err := b.Reload(context.Background(), "test")
	if rules.AsProblems(err) == nil {
		t.Errorf("error %v, want problems", err)
	}
	b.until("tried again", func(State) bool { return strings.Count(b.seen(), "use") == 1 })
	b.write(inPhase("dualwrite"))
	b.until("clean", func(s State) bool { return len(s.Problems) == 0 && s.Epoch == 1 })
	if n := b.logs.FilterMessageSnippet(rulesRejected).Len(); n > 2 {
		t.Errorf("%d lines for two rejections", n)
	}
}

func TestAMissingFileLetsNoSessionInUntilItIsThere(t *testing.T) {
	b := start(t, "", nil)
	s := b.until("told", func(s State) bool { return len(s.Problems) > 0 })
	if s.Ready || !strings.Contains(s.Problems[0], "rules.yaml") {
		t.Errorf("state %+v", s)
	}
	b.write(inPhase("off"))
	b.until("ready", ready)
}

func TestWithoutADatabaseNoSessionIsLetInAndRetryGoesOn(t *testing.T) {
	b := start(t, inPhase("off"), func(f *fake) { f.down = true })
	s := b.until("told", func(s State) bool { return len(s.Problems) == 2 })
	if s.Ready || s.ControlOK {
		t.Errorf("state %+v", s)
	}
	b.set(func(f *fake) { f.down = false })
	b.until("ready", ready)
}

func TestALostControlConnectionKeepsTheRulesAndIsMadeAnew(t *testing.T) {
	b := start(t, inPhase("dualwrite"), nil)
	b.until("ready", ready)
	b.set(func(f *fake) { f.down, f.broken = true, true })
	s := b.until("lost", func(s State) bool { return !s.ControlOK })
	if !s.Ready || len(s.Problems) != 1 || !strings.Contains(s.Problems[0], "connection refused") {
		t.Errorf("state %+v", s)
	}
	b.write(inPhase("off"))
	b.until("pending", func(s State) bool { return len(s.Problems) == 2 })
	b.set(func(f *fake) { f.down = false })
	s = b.until("back", func(s State) bool { return s.ControlOK && s.Epoch == 2 })
	if len(s.Problems) != 0 {
		t.Errorf("problems %v", s.Problems)
	}
}

func TestADeadConnectionIsReplacedWithinOneReload(t *testing.T) {
	b := start(t, inPhase("off"), nil)
	b.until("ready", ready)
	b.set(func(f *fake) { f.broken = true })
	if _, err := b.Reload(context.Background(), "test"); err != nil {
		t.Error(err)
	}
}

func TestAChangedCatalogIsANewEpochOfTheSamePhase(t *testing.T) {
	b := start(t, inPhase("dualwrite"), nil)
	b.until("ready", ready)
	b.set(func(f *fake) { f.print = "2" })
	s := b.until("followed", func(s State) bool { return s.Epoch == 2 })
	if s.Since["user-status"] != 1 {
		t.Errorf("the phase is said to be there since epoch %d, want 1", s.Since["user-status"])
	}
	b.set(func(f *fake) {
		if got, want := strings.Join(f.events, " "), "close compile enact:dualwrite use compile equip use"; got != want {
			t.Errorf("events %q, want %q", got, want)
		}
	})
	b.until("told", func(State) bool {
		for _, entry := range b.logs.FilterMessage("rules loaded").FilterField(zap.String("source", "catalog")).All() {
			return strings.Contains(fmt.Sprint(entry.ContextMap()["changes"]), "of the last 10ms may have gone by the former definition, and pgjanus verify tells")
		}
		return false
	})
}

func TestRulesThatNoLongerFitTheCatalogStayAndAreReported(t *testing.T) {
	b := start(t, inPhase("dualwrite"), nil)
	b.until("ready", ready)
	problem := rules.Problem{File: b.file, Pos: rules.Pos{Line: 6, Column: 40}, Message: "no column status"}
	b.set(func(f *fake) { f.print, f.compileErr = "2", rules.Problems{problem} })
	s := b.until("told", func(s State) bool { return len(s.Problems) > 0 })
	if !s.Ready || s.Problems[0] != problem.String() {
		t.Errorf("state %+v", s)
	}
	b.set(func(f *fake) { f.compileErr, f.enactErr = nil, errors.New("a column is missing") })
	b.until("told", func(s State) bool {
		return len(s.Problems) > 0 && strings.Contains(s.Problems[0], "a column is missing") && s.Epoch == 1
	})
	b.set(func(f *fake) { f.enactErr = nil })
	b.until("clean", func(s State) bool { return len(s.Problems) == 0 && s.Epoch == 2 })
	if n := b.logs.FilterMessageSnippet(catalogRejected).Len(); n != 2 {
		t.Errorf("%d lines, want 2: one for each problem", n)
	}
}

func TestAnActiveMigrationOfTheDatabaseThatTheFileLacksIsRefusedAtStart(t *testing.T) {
	b := start(t, "migrations: []\n", func(f *fake) {
		f.recorded = map[string]rules.Phase{"order-items": rules.Dualwrite}
	})
	s := b.until("told", func(s State) bool { return len(s.Problems) > 0 })
	if s.Ready || !strings.Contains(s.Problems[0], "order-items") {
		t.Errorf("state %+v", s)
	}
}

func TestPhasesThatCannotBeWorkedUnderAreNotRecorded(t *testing.T) {
	b := start(t, inPhase("off"), nil)
	b.until("ready", ready)
	b.set(func(f *fake) { f.enactErr = errors.New("permission denied for table users") })
	b.write(inPhase("dualwrite"))
	s := b.until("told", func(s State) bool { return len(s.Problems) > 0 })
	if s.Epoch != 1 || !strings.HasSuffix(s.Problems[0], "permission denied for table users") {
		t.Errorf("state %+v", s)
	}
	b.set(func(f *fake) {
		if f.recorded["user-status"] != rules.Off {
			t.Errorf("recorded %v", f.recorded)
		}
	})
}

func TestAnUncertainRecordingIsRepeatedWhenTheFileIsPutBack(t *testing.T) {
	b := start(t, inPhase("off"), nil)
	b.until("ready", ready)
	b.set(func(f *fake) { f.lostErr = errDown })
	b.write(inPhase("dualwrite"))
	b.until("told", func(s State) bool { return len(s.Problems) > 0 })
	b.set(func(f *fake) { f.lostErr = nil })
	b.write(inPhase("off"))
	b.until("clean", func(s State) bool { return len(s.Problems) == 0 && s.Set.Migrations[0].Phase == rules.Off })
	b.set(func(f *fake) {
		if f.recorded["user-status"] != rules.Off {
			t.Errorf("recorded %v", f.recorded)
		}
	})
}

func TestReloadAfterServeHasEndedReturnsErrStopped(t *testing.T) {
	b := start(t, inPhase("off"), nil)
	b.until("ready", ready)
	b.stop()
	if _, err := b.Reload(context.Background(), "test"); !errors.Is(err, ErrStopped) {
		t.Errorf("error %v", err)
	}
}

func TestMetricsTellPhasesEpochAndReloads(t *testing.T) {
	b := start(t, inPhase("dualwrite"), nil)
	b.until("ready", ready)
	if _, err := b.Reload(context.Background(), "test"); err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	promhttp.HandlerFor(b.reg, promhttp.HandlerOpts{}).ServeHTTP(answer, httptest.NewRequest("GET", "/metrics", nil))
	if got := answer.Body.String(); got != string(want) {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}
