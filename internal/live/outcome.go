package live

import (
	"errors"
	"strings"

	"go.uber.org/zap"

	"github.com/pgjanus/pgjanus/rules"
)

// What a rejection is called in the log.
const (
	rulesRejected   = "rules rejected"
	catalogRejected = "the catalog changed and the rules do not fit it"
)

// accept logs and counts a load that changed something.
func (l *Live) accept(source string, r *Report) {
	l.opt.Metrics.count(accepted)
	l.opt.Log.Info("rules loaded", zap.String("source", source), zap.Uint64("epoch", r.Epoch), zap.Strings("changes", r.Changes))
	if len(r.Warnings) > 0 {
		l.opt.Log.Warn("statements that were seen lately are refused from now on", zap.Uint64("epoch", r.Epoch), zap.Strings("warnings", r.Warnings))
	}
}

// reject logs and counts problems, once while they stay the same.
func (l *Live) reject(source, message string, problems []string) {
	text := strings.Join(problems, "\n")
	if source == sourceRetry && text == l.told[message] {
		return
	}
	l.told[message] = text
	l.opt.Metrics.count(rejected)
	fields := []zap.Field{zap.String("source", source), zap.Strings("problems", problems)}
	if l.running != nil {
		fields = append(fields, zap.Uint64("epoch", l.running.epoch))
	}
	l.opt.Log.Error(l.meanwhile(message), fields...)
}

// meanwhile adds to a message what is in force as long as that is not mended.
func (l *Live) meanwhile(message string) string {
	if l.running == nil {
		return message + ": no session is let in"
	}
	return message + ": the last good rules stay in force"
}

// problemLines renders err for State, one line a problem.
func problemLines(file string, err error) []string {
	if err == nil {
		return nil
	}
	ps := rules.AsProblems(err)
	var lost *lostError
	switch {
	case errors.As(err, &lost):
		return []string{file + ": not loaded yet: there is no control connection"}
	case ps == nil:
		return []string{file + ": not loaded: " + err.Error()}
	}
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return lines
}
