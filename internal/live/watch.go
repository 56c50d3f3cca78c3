package live

import (
	"context"
	"path/filepath"
	"time"

	"github.com/fsnotify/fsnotify"
	"go.uber.org/zap"
)

const (
	// settle is how long the directory has to be quiet; editors write in bursts.
	settle = 100 * time.Millisecond
	// settleAtMost bounds the wait in a directory that is never quiet.
	settleAtMost = time.Second
	// lookEvery is for file systems that tell nothing.
	lookEvery = 2 * time.Second
)

// watch sends to changed, which has room for one, whenever the file may have
// changed: after events in its directory (editors and config maps rename, so
// the file itself is not watched) and every lookEvery. It returns when ctx ends.
func watch(ctx context.Context, file string, changed chan<- struct{}, log *zap.Logger) {
	var events <-chan fsnotify.Event
	var failures <-chan error
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		defer func() { _ = watcher.Close() }()
		err = watcher.Add(filepath.Dir(file))
		events, failures = watcher.Events, watcher.Errors
	}
	if err != nil {
		log.Warn("no notice of file changes: the rules file is looked at every "+lookEvery.String(), zap.Error(err))
	}

	look := time.NewTicker(lookEvery)
	defer look.Stop()
	quiet := time.NewTimer(0)
	if !quiet.Stop() {
		<-quiet.C
	}
	var first time.Time // of the burst; zero outside one
	for {
		select {
		case <-ctx.Done():
			return
		case _, open := <-events:
			if !open {
				events = nil
				continue
			}
			now := time.Now()
			if first.IsZero() {
				first = now
			}
			quiet.Reset(min(settle, max(0, first.Add(settleAtMost).Sub(now))))
		case <-quiet.C:
			first = time.Time{}
			tell(changed)
		case <-look.C:
			tell(changed)
		case err, open := <-failures:
			if !open {
				failures = nil
				continue
			}
			log.Warn("watching the rules file", zap.Error(err))
			tell(changed) // events may have been dropped
		}
	}
}

func tell(changed chan<- struct{}) {
	select {
	case changed <- struct{}{}:
	default: // one is already waiting
	}
}
