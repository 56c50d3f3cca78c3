package proxy

import (
	"errors"
	"sync"
	"time"

	"github.com/pgjanus/pgjanus/internal/usage"
	"github.com/pgjanus/pgjanus/rewrite"
)

// core is the session core: a state machine without I/O. The driver of the
// client side feeds it with client, the driver of the server side with server;
// each gets a batch of what has to be written to the other side.
//
// Every message that goes to the server and will be answered pushes one
// expectation; the answers pop them in order. What follows from that:
//
//   - A statement that is rewritten is followed, in the same write, by the
//     messages of its syncs, so no round trip is added, and nothing that the
//     client pipelined behind it can come between.
//   - Its completion is held back until the last sync has succeeded.
//   - A statement that is refused is replaced by one that cannot be parsed. So
//     the server itself puts the transaction, the pipeline and the order of
//     answers into the state that an error leaves behind; only the error's
//     fields are ours.
//   - An ErrorResponse drops the expectations up to the next Sync, and takes
//     back what the dropped messages did to the tables of statements.
//
// The epoch changes at a transaction boundary only: nothing is outstanding and
// the last ReadyForQuery said idle. A client that pipelines without end never
// gets there by itself, so while a new epoch waits, the client side pauses
// behind a Sync until the answers are in. It does so too where what a prepared
// statement's name stands for, or how a text is read, hangs on an answer
// (errWait), where the server is asked what names of relations stand for
// (asking), and at the end of a COPY (copyIn). Only there does one direction
// wait for the other, and it cannot deadlock: the server has everything it needs
// to answer, and Postgres does not read the next message before it has answered
// the last either.
type core struct {
	current func() *rewrite.Planner // the rules that are in force now
	changed func()                  // DDL has taken effect; may be nil
	limits  coreLimits
	metrics *Metrics

	mu      sync.Mutex // guards what follows; never held across I/O
	planner *rewrite.Planner
	queue   queue
	ready   bool // login is complete
	status  byte // of the last ReadyForQuery: I, T or E
	// said: the server has answered something since the last ReadyForQuery.
	said bool
	// skipping: the server discards what the client sends until Sync.
	skipping bool
	// copying: the server is in COPY FROM STDIN, where it ignores Sync and Flush.
	copying bool
	// syncAhead: a Sync was sent before the COPY that the server is in, or that has
	// failed, began to read; it may be answered where the COPY fails early.
	syncAhead bool
	copyIn    *copyIn // a rewritten COPY FROM STDIN by Execute; nil where there is none
	// batched: extended messages were sent since the last Sync.
	batched bool
	env     rewrite.Env
	// seen remembers what sender executes; it may be nil.
	seen   *usage.Table
	sender *usage.Client // immutable
	// preparesBySQL: the session has sent PREPARE.
	preparesBySQL bool
	obscured      []obscured  // texts that may have, and could not be read
	obscures      uint64      // how many there ever were
	hidden        hidden      // what they hide
	shadows       uint64      // how many texts may have set env.Shadowed
	failure       string      // what the server's last error said
	encoding      string      // client_encoding, as the server says
	rereads       bool        // a text of the session has spoken of how texts are read
	resets        []resetting // what was sent that may have changed it
	waits         bool        // the client side waits for an answer; see errWait
	ddl           bool        // DDL was executed in the transaction

	statements statements // named ones of the client
	unnamed    statement  // its plan is nil when there is none
	portals    portals
	// unnamedLost: the server skipped what was to replace the unnamed statement,
	// so it is not the one that the client, or the core, takes it for.
	unnamedLost bool
	// prepared has the syncs that the server connection has, by name.
	prepared map[string]preparation
	batch    uint64 // number of the batch: messages up to one Sync, from 1

	asking asking // what names stand for

	held    []byte    // completion that waits for syncs
	syncing time.Time // when the syncs that are outstanding were sent

	clientPass int // bytes of a frame that still pass without being looked at
	serverPass int
	serverDrop int // bytes that are then dropped
	serverHead int // bytes of a frame that reply has dealt with before those

	drained chan struct{} // capacity 1: the queue became empty, or a COPY has ended
}

type coreLimits struct {
	statement int // longest text that is parsed; 0 for none
	login     int // longest message before login is complete
}

// errWait says that what a name stands for hangs on an answer that is
// outstanding: the client side waits for it, and feeds the same message again.
// As with a new epoch it cannot deadlock: the name was sent before a Sync or a
// Query that the server has.
var errWait = errors.New("waiting for an answer")

// errProtocol ends a session whose peer does not speak the protocol.
var errProtocol = errors.New("protocol violation")

// need says what a feed could not do yet.
type need struct {
	// bytes that the frame at hand has, where the feed could not tell what to do
	// with the beginning of it; 0 for any more. With some more it may be able to.
	bytes int
	// wait: the client side must wait until c.drained delivers, then feed again.
	wait bool
}

func newCore(current func() *rewrite.Planner, limits coreLimits, metrics *Metrics) *core {
	c := &core{
		current: current, limits: limits, metrics: metrics,
		planner: current(), status: 'I', sender: &usage.Client{}, drained: make(chan struct{}, 1),
		statements: statements{last: map[string]*statement{}}, prepared: map[string]preparation{}, batch: 1,
	}
	c.env.MaxBytes = limits.statement
	c.resets = []resetting{{at: 1}}                // the settings come with login
	c.queue.push(expectation{answer: answerReady}) // the end of login
	return c
}

// boundary reports whether the session is between transactions.
func (c *core) boundary() bool {
	return c.ready && c.queue.len() == 0 && c.status == 'I' && !c.skipping && !c.batched && c.copyIn == nil
}

// idle reports whether the session is between transactions, for the driver.
func (c *core) idle() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.boundary() && c.serverPass == 0 && c.serverDrop == 0
}

// behind reports whether a transaction is open under an epoch before that one.
func (c *core) behind(epoch uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return !c.boundary() && c.planner.Epoch() < epoch
}

// epoch returns the epoch the session works under.
func (c *core) epoch() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.planner.Epoch()
}

// adopt takes the rules that are in force if they changed and the session is
// between transactions. It reports whether the client side must wait for that.
func (c *core) adopt(out *batch) (wait bool) {
	now := c.current()
	if now == nil || now == c.planner {
		return false
	}
	if !c.boundary() {
		// Behind a Sync or a Query, with answers outstanding.
		return c.ready && c.queue.len() > 0 && !c.batched && !c.skipping && !c.copying && c.queue.at(c.queue.len()-1).answer != answerExecute
	}
	for name := range c.prepared {
		out.build(func(dst []byte) []byte { return appendClose(dst, 'S', name) })
		c.queue.push(expectation{answer: answerClose, swallow: true})
		delete(c.prepared, name)
	}
	c.planner = now
	c.namesAnew(out)
	return false
}

// pop takes the first expectation.
func (c *core) pop() expectation {
	e := c.queue.pop()
	for c.queue.len() > 0 && c.queue.at(0).answer == answerCopyEnd {
		c.queue.pop()
	}
	if c.queue.len() == 0 || c.waits && e.ready() {
		c.wake()
	}
	return e
}

// wake lets the client side look again whether it still has to wait.
func (c *core) wake() {
	c.waits = false
	select {
	case c.drained <- struct{}{}:
	default:
	}
}

func (c *core) head() *expectation {
	if c.queue.len() == 0 {
		return nil
	}
	return c.queue.at(0)
}
