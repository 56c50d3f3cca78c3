package rewrite

import (
	"errors"
	"strings"

	pg_query "github.com/pganalyze/pg_query_go/v5"

	"github.com/pgjanus/pgjanus/catalog"
	"github.com/pgjanus/pgjanus/rules"
)

// Touch is one statement of a text as far as one migration is concerned: its
// old or new shape is named in it. Nothing in it is a constant of the text.
type Touch struct {
	Migration string
	Kind      string // such as UPDATE: the closed set of Statement.Kind
	Outcome   string // that of an Outcome, or Unknown
	Reason    string // of refuse and unknown
	Text      string // normalised
	// Forecast: the migration is off, and Outcome is what dualwrite would do.
	Forecast bool
}

// What stands for texts of which nothing is kept.
const (
	unreadText    = "(a text that is not read)"
	unscannedText = "(a text that cannot be read)"
)

// Memorised touches: constants change nothing about most statements, so texts
// that differ in them alone are planned once.
const (
	memoTexts = 2048
	memoBytes = 4 << 10
)

// verdict is what becomes of one statement, for one migration.
type verdict struct {
	outcome, reason string
	hit             bool // the planner says that it concerns the migration
	general         bool // refused, and the planner does not say for which
	literal         bool // a constant decides
}

// Touches lists what the statements of a planned text are to the migrations
// that they name. It parses, so it is not for every execution of a text.
func (p *Planner) Touches(plan *Plan) []Touch {
	text := plan.Original
	if plan.elsewhere {
		return nil
	}
	if plan.unread != nil {
		return p.everyMention(text, Touch{Kind: "other", Outcome: Refuse.String(), Reason: plan.unread.Reason, Text: unreadText})
	}
	tokens, err := scan(text)
	if err != nil {
		return p.everyMention(text, Touch{Kind: "unparsed", Outcome: Refuse.String(), Reason: "the text cannot be read", Text: unscannedText})
	}
	if len(tokens) == 0 {
		return nil
	}
	memo := p.memoKey(text, tokens)
	if touches, ok := p.memorised(memo); ok {
		return touches
	}
	touches, literal := p.touches(text, tokens)
	if !literal {
		p.memorise(memo, touches)
	}
	return touches
}

// touches also reports whether other constants could make another outcome.
func (p *Planner) touches(text string, tokens []token) (touches []Touch, literal bool) {
	tree, err := parse(text, tokens)
	if err != nil {
		masked := normaliser{text: text, tokens: tokens, known: p.knows}
		return p.everyMention(text, Touch{
			Kind: "unparsed", Outcome: Refuse.String(), Reason: "the text does not parse in the grammar of Postgres 16",
			Text: masked.statement(0, len(tokens)),
		}), false
	}
	clean := normaliser{text: text, tokens: tokens}
	for _, raw := range tree.Stmts {
		w := planning{Planner: p, text: text, tokens: tokens}
		from, to := w.span(raw)
		if from >= to {
			continue
		}
		named := relationsOf(raw.Stmt)
		for _, m := range p.migrations {
			isNamed := m.namedBy(named)
			if !isNamed && !mentioned(m, text[tokens[from].start:tokens[to-1].end]) {
				continue
			}
			v := p.verdict(m, text, tokens, raw)
			literal = literal || v.literal
			if isNamed || v.hit || v.general {
				touches = append(touches, Touch{
					Migration: m.Rule.Name, Kind: kindOf(raw.Stmt), Outcome: v.outcome, Reason: v.reason,
					Text: clean.statement(from, to), Forecast: !m.Rule.Active(),
				})
			}
		}
	}
	return touches, literal
}

func (p *Planner) verdict(m *Migration, text string, tokens []token, raw *pg_query.RawStmt) verdict {
	if m.Rule.Active() {
		return p.judge(m.Rule.Name, text, tokens, raw)
	}
	return p.forecast(m.Rule.Name).judge(m.Rule.Name, text, tokens, raw)
}

// judge plans one statement by itself.
func (p *Planner) judge(m string, text string, tokens []token, raw *pg_query.RawStmt) verdict {
	w := &planning{Planner: p, text: text, tokens: tokens, plan: &Plan{Original: text}}
	err := w.statement(raw)
	var refusal *Refusal
	if errors.As(err, &refusal) {
		return verdict{outcome: Refuse.String(), reason: refusal.Reason, hit: refusal.Migration == m, general: refusal.Migration == "", literal: w.literal}
	}
	st := &w.plan.Statements[0]
	if has(st.Migrations, m) {
		return verdict{outcome: st.Outcome.String(), hit: true, literal: w.literal}
	}
	return verdict{outcome: Pass.String(), literal: w.literal}
}

// everyMention returns t for each migration that text may be about.
func (p *Planner) everyMention(text string, t Touch) []Touch {
	var touches []Touch
	for _, m := range p.migrations {
		if mentioned(m, text) {
			t.Migration, t.Forecast = m.Rule.Name, !m.Rule.Active()
			touches = append(touches, t)
		}
	}
	return touches
}

// mentioned reports whether a name of m's relations may occur in text.
func mentioned(m *Migration, text string) bool {
	var words []string
	for _, n := range m.relations() {
		words = append(words, n.Name)
	}
	found := newMentions(words)
	return found.in([]byte(text))&MentionsRelation != 0
}

// relations lists what the old and the new shape can be read and written through.
func (m *Migration) relations() []catalog.Name {
	all := []catalog.Name{catalogName(m.Rule.Old.Table)}
	if m.Rule.Kind == rules.Rows {
		all = append(all, catalogName(m.Rule.New.Table))
	}
	for _, t := range []*catalog.Table{m.Old, m.New} {
		if t != nil {
			all = append(append(append(all, t.Views...), t.Children...), t.Parents...)
		}
	}
	return all
}

func relationsOf(stmt *pg_query.Node) []*pg_query.RangeVar {
	var all []*pg_query.RangeVar
	walk(stmt, func(n node) {
		if rv, ok := n.(*pg_query.RangeVar); ok {
			all = append(all, rv)
		}
	})
	return all
}

// namedBy reports whether one of the names may be a relation of m.
func (m *Migration) namedBy(named []*pg_query.RangeVar) bool {
	for _, rel := range m.relations() {
		for _, rv := range named {
			if rv.Relname == rel.Name && (rv.Schemaname == "" || rv.Schemaname == rel.Schema) {
				return true
			}
		}
	}
	return false
}

// knows reports whether a relation of a migration has that name, in any case.
func (p *Planner) knows(name string) bool {
	for known := range p.byName {
		if strings.EqualFold(known, name) {
			return true
		}
	}
	return false
}

// memoKey is what texts have in common that differ in constants alone, or ""
// where a constant may decide what becomes of the text.
func (p *Planner) memoKey(text string, tokens []token) string {
	switch tokens[0].kind {
	case pg_query.Token_SELECT, pg_query.Token_INSERT, pg_query.Token_UPDATE, pg_query.Token_DELETE_P, pg_query.Token_MERGE, pg_query.Token_WITH:
	default:
		return ""
	}
	for _, t := range tokens[:len(tokens)-1] {
		if t.kind == pg_query.Token_ASCII_59 {
			return ""
		}
	}
	var b strings.Builder
	n := normaliser{text: text, tokens: tokens}
	n.write(&b, 0, len(tokens))
	if n.masked || b.Len() > memoBytes {
		return ""
	}
	return b.String()
}

func (p *Planner) memorised(key string) ([]Touch, bool) {
	if key == "" {
		return nil, false
	}
	p.forecasts.mu.Lock()
	defer p.forecasts.mu.Unlock()
	touches, ok := p.forecasts.memo[key]
	return touches, ok
}

func (p *Planner) memorise(key string, touches []Touch) {
	if key == "" {
		return
	}
	p.forecasts.mu.Lock()
	defer p.forecasts.mu.Unlock()
	if p.forecasts.memo == nil || len(p.forecasts.memo) >= memoTexts {
		p.forecasts.memo = map[string][]Touch{}
	}
	p.forecasts.memo[key] = touches
}
