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
