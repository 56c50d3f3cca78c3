package proxy

import (
	"sync"
	"time"
)

// loops are the event loops of a Server.
type loops struct {
	all     []*loop
	running sync.WaitGroup
}

// start starts n loops. stop ends them.
func (ls *loops) start(s *Server, n int) error {
	for range n {
		l, err := newLoop(s)
		if err != nil {
			ls.stop()
			return err
		}
		ls.all = append(ls.all, l)
		ls.running.Add(1)
		go ls.run(l)
	}
	return nil
}

func (ls *loops) run(l *loop) {
	defer ls.running.Done()
	l.run()
}

// stop ends the loops when all of their sessions are over.
func (ls *loops) stop() {
	for _, l := range ls.all {
		l.post(nil)
	}
	ls.running.Wait()
}

// take makes a relay of a session; nil where there are no loops.
func (ls *loops) take(s *session, deadline time.Time) (*relay, error) {
	if len(ls.all) == 0 {
		return nil, nil //nolint:nilnil // no loops, no error
	}
	return newRelay(ls.all[s.id%uint64(len(ls.all))], s, deadline)
}
