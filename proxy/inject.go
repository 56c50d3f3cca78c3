package proxy

import (
	"time"

	"github.com/pgjanus/pgjanus/rewrite"
)

// syncPortal is the portal that syncs run in: the unnamed one is the client's.
const syncPortal = "pgjanus_sync"

// inject sends the messages of one sync.
func (c *core) inject(sync *rewrite.Sync, last bool, out *batch) {
	c.syncing = time.Now()
	d := &detail{sync: sync}
	if c.wants(sync) {
		out.build(func(dst []byte) []byte { return c.appendPrepare(dst, sync) })
		c.expectPrepare(sync, d)
	}
	out.build(func(dst []byte) []byte {
		dst = appendBind(dst, syncPortal, sync.Name)
		dst = appendExecute(dst, syncPortal)
		return appendClose(dst, 'P', syncPortal)
	})
	c.queue.push(expectation{answer: answerBind, swallow: true, detail: d})
	c.queue.push(expectation{answer: answerExecute, swallow: true, detail: d})
	c.queue.push(expectation{answer: answerClose, swallow: true, detail: &detail{sync: sync, release: last}})
}

// wants reports whether the sync has to be prepared on the server.
func (c *core) wants(sync *rewrite.Sync) bool {
	sure, known := c.prepared[sync.Name]
	return !known || !sure
}

// appendPrepare prepares a sync; the client may or may not have dropped it.
func (c *core) appendPrepare(dst []byte, sync *rewrite.Sync) []byte {
	return appendParse(appendClose(dst, 'S', sync.Name), sync.Name, sync.SQL, noTypes)
}

func (c *core) expectPrepare(sync *rewrite.Sync, d *detail) {
	c.prepared[sync.Name] = true
	c.queue.push(expectation{answer: answerClose, swallow: true, detail: d})
	c.queue.push(expectation{answer: answerParse, swallow: true, detail: &detail{
		sync: d.sync,
		undo: func(c *core) {
			if _, known := c.prepared[sync.Name]; known {
				c.prepared[sync.Name] = false
			}
		},
	}})
}

// forgetPrepared notes that the client may drop every prepared statement.
func (c *core) forgetPrepared() {
	for name := range c.prepared {
		c.prepared[name] = false
	}
}
