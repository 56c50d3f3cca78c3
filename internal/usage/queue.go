package usage

import (
	"context"
	"runtime/debug"
	"sync"

	"go.uber.org/zap"

	"github.com/pgjanus/pgjanus/rewrite"
)

// job is a text to learn, or one that was not known yet when it was seen.
type job struct {
	planner *rewrite.Planner
	plan    *rewrite.Plan
	by      *Client
	how     How
	at      int64
}

// What may wait to be learned.
const (
	queueJobs  = 1024
	queueBytes = 8 << 20
)

// queue has the jobs that Serve has not come to yet.
type queue struct {
	wake chan struct{} // capacity 1

	mu    sync.Mutex // guards what follows
	jobs  []job
	bytes int

	working sync.Mutex // held while jobs are done
}

func (q *queue) push(j job) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if size := len(j.plan.Original); len(q.jobs) >= queueJobs || q.bytes+size > queueBytes {
		return false
	}
	q.jobs = append(q.jobs, j)
	q.bytes += len(j.plan.Original)
	select {
	case q.wake <- struct{}{}:
	default:
	}
	return true
}

// take returns all that waits.
func (q *queue) take() []job {
	q.mu.Lock()
	defer q.mu.Unlock()
	jobs := q.jobs
	q.jobs, q.bytes = nil, 0
	return jobs
}

// Serve learns texts until ctx ends.
func (t *Table) Serve(ctx context.Context) error {
	if t == nil {
		<-ctx.Done()
		return nil
	}
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.queue.wake:
			t.settle()
		}
	}
}

// settle does what waited when it was called.
func (t *Table) settle() {
	t.queue.working.Lock()
	defer t.queue.working.Unlock()
	for _, j := range t.queue.take() {
		t.do(j)
	}
}

// learn has a text learned, later if possible.
func (t *Table) learn(j job) {
	if !t.queue.push(j) {
		t.do(j)
	}
}

func (t *Table) do(j job) {
	n, known := j.plan.Note().Load().(*note)
	if !known {
		n = t.admit(t.keys(j), j.at)
		for _, e := range n.entries {
			if epoch := j.planner.Epoch(); e.epoch.Load() < epoch {
				e.epoch.Store(epoch)
			}
		}
		j.plan.Note().Store(n)
	}
	if j.how == Executed {
		t.count(n, j.plan, j.by, j.planner.Epoch(), j.at)
	}
}

// keys returns what the text of a job is to each migration. A bug in telling
// must not hurt anyone: it is logged, and the text has no entry.
func (t *Table) keys(j job) (keys []key) {
	defer func() {
		if r := recover(); r != nil {
			t.opt.Log.Error("BUG: telling what a statement touches", zap.Any("panic", r), zap.ByteString("stack", debug.Stack()))
			keys = nil
		}
	}()
	for _, touch := range j.planner.Touches(j.plan) {
		keys = append(keys, keyOf(touch))
	}
	return keys
}
