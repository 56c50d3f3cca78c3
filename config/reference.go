package config

import (
	"fmt"
	"strings"
)

// Reference returns docs/settings.md: every setting in Markdown.
func Reference() string {
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, f := range fields(&Settings{}) {
		fallback := "none"
		if f.fallback != "" {
			fallback = "`" + f.fallback + "`"
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", f.key, fallback, allowed(f.kind), strings.ReplaceAll(f.doc, "|", "\\|"))
	}
	b.WriteString(referenceTail)
	return b.String()
}

// allowed describes a kind in a few words.
func allowed(kind string) string {
	switch kind {
	case kindListen:
		return "host:port"
	case kindUpstream:
		return "host:port or socket path"
	case kindDSN:
		return "connection string"
	case kindPath:
		return "path"
	case kindDuration:
		return "duration, 0 or more"
	case kindPositive:
		return "duration above 0"
	case kindBytes:
		return "size"
	case kindCount:
		return "0 or more"
	}
	return "`" + strings.Join(strings.Split(kind, "|"), "`, `") + "`"
}

const referenceHead = `# Settings

<!-- Generated from the struct tags in config/settings.go: go test ./config -update -->

The process settings of pgjanus are in one YAML file, ` + "`pgjanus.yaml`" + ` in the working directory unless ` + "`--config`" + `
names another. Migrations are not here but in the [rules file](rules.md).

Each setting may also come from the environment or a flag of ` + "`serve`" + `. Flags outrank the environment, the environment
outranks the file, the file outranks the default. The name follows from the key:

| Where | ` + "`admin.listen`" + ` is |
|---|---|
| file | ` + "`admin: {listen: 127.0.0.1:6480}`" + ` |
| environment | ` + "`PGJANUS_ADMIN_LISTEN=127.0.0.1:6480`" + ` |
| flag | ` + "`--admin-listen 127.0.0.1:6480`" + ` |

An unknown key in the file is an error. An unknown ` + "`PGJANUS_*`" + ` variable is not, and an empty one counts as absent.
Without a file named by ` + "`--config`" + `, ` + "`pgjanus.yaml`" + ` may be absent when the environment or a flag sets ` + "`control`" + `.

| Key | Default | Allowed | Meaning |
|---|---|---|---|
`

const referenceTail = `
Durations are a number with a unit: ` + "`500ms`, `60s`, `2m`, `1h`" + `. Sizes are a number of bytes, or one with a unit:
` + "`kB`, `MB` and `GB`" + ` are powers of 1000, ` + "`KiB`, `MiB` and `GiB`" + ` powers of 1024.

A complete file, with everything at its default but ` + "`control`" + `:

` + "```yaml" + `
listen: 127.0.0.1:6432
upstream: 127.0.0.1:5432
control: postgres://postgres@127.0.0.1:5432/app
rules: rules.yaml
admin: {listen: 127.0.0.1:6480}
log: {level: info, format: json}
limits:
  login_timeout: 60s
  max_statement_bytes: 4MiB
  threads: 0
  max_sessions: 0
usage: {window: 60m, entries: 2000}
strict_flips: false
catalog_poll: 2s
drain: 30s
` + "```" + `
`
