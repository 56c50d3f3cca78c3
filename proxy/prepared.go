package proxy

import "github.com/pgjanus/pgjanus/rewrite"

// preparation is what is known of a sync on the server.
type preparation struct {
	sure bool // the server has it
	// batch is the one that a Parse of it was sent in: it is there for whatever
	// follows in that batch, since an error before it skips that too. Behind the
	// next Sync that is not so until the Parse has been answered.
	batch uint64
}

// wants reports whether the sync has to be prepared on the server.
func (c *core) wants(sync *rewrite.Sync) bool {
	p := c.prepared[sync.Name]
	return !p.sure && p.batch != c.batch
}

// appendPrepare prepares a sync; whether it is there already is not known.
func (c *core) appendPrepare(dst []byte, sync *rewrite.Sync) []byte {
	return appendParse(appendClose(dst, 'S', sync.Name), sync.Name, sync.SQL, noTypes)
}

func (c *core) expectPrepare(sync *rewrite.Sync, d *detail) {
	batch := c.batch
	c.prepared[sync.Name] = preparation{batch: batch}
	c.queue.push(expectation{answer: answerClose, swallow: true, detail: d})
	note := func(p preparation) func(*core) {
		return func(c *core) {
			if now, known := c.prepared[sync.Name]; known && now.batch == batch {
				c.prepared[sync.Name] = p
			}
		}
	}
	c.queue.push(expectation{answer: answerParse, swallow: true, detail: &detail{
		sync: d.sync, question: d.question, done: note(preparation{sure: true}), undo: note(preparation{}),
	}})
}

// forgetPrepared notes that the client may drop every prepared statement.
func (c *core) forgetPrepared() {
	for name := range c.prepared {
		c.prepared[name] = preparation{}
	}
}
