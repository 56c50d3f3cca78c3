package config

import (
	"errors"
	"fmt"
	"os"
	"sort"

	"github.com/spf13/pflag"
)

// override is a setting from outside the file.
type override struct {
	place string // such as "PGJANUS_LISTEN" or "--listen"
	text  string
}

// overlay collects what outranks the file: environment, then flags, then
// Options.Set.
func overlay(list []field, opts Options) (map[string]override, error) {
	lookup := opts.LookupEnv
	if lookup == nil {
		lookup = os.LookupEnv
	}
	over := map[string]override{}
	keys := make([]string, len(list))
	for i, f := range list {
		keys[i] = f.key
		if text, ok := lookup(f.env()); ok && text != "" {
			over[f.key] = override{f.env(), text}
		}
		if opts.Flags == nil {
			continue
		}
		if flag := opts.Flags.Lookup(f.flag()); flag != nil && flag.Changed {
			over[f.key] = override{"--" + f.flag(), flag.Value.String()}
		}
	}
	var problems []error
	for key, text := range opts.Set {
		if _, ok := fieldOf(list, key); !ok {
			problems = append(problems, fmt.Errorf("unknown key %s (%s)", key, suggest(key, keys)))
		}
		over[key] = override{"override", text}
	}
	sort.Slice(problems, func(i, j int) bool { return problems[i].Error() < problems[j].Error() })
	return over, errors.Join(problems...)
}

func fieldOf(list []field, key string) (field, bool) {
	for _, f := range list {
		if f.key == key {
			return f, true
		}
	}
	return field{}, false
}

// AddFlags adds a flag for every setting, such as --admin-listen. All
// are strings, so that Load judges them like the file and the environment. A
// flag that exists already is left alone.
func AddFlags(flags *pflag.FlagSet) {
	for _, f := range fields(&Settings{}) {
		if flags.Lookup(f.flag()) != nil {
			continue
		}
		usage := f.doc
		if f.fallback != "" {
			usage += fmt.Sprintf(" (default %s)", f.fallback)
		}
		flags.String(f.flag(), "", usage)
	}
}
